"""The formats that travel between processes. Standard library only: the supervisor imports them."""

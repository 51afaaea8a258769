"""The accounts of this server: ``caller`` is what the rest of the API knows of who calls."""

"""Calls to the operating system that server and supervisor share. Standard library only."""

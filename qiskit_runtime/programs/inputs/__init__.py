"""Checks and forms of what clients send to programs."""

"""Checks of parameters against the JSON Schema of a program. Used by the API and the operator."""

"""Serving the app with uvicorn, within bounds. Used by ``qiskit-runtime serve``."""

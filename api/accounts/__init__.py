"""Who calls, and for which instance: ``caller`` is what the rest of the API knows of it."""

"""The backends that jobs may run on: ``base`` says what a library of them does."""

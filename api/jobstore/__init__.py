"""Where jobs are kept and run: ``base`` says what every store does."""

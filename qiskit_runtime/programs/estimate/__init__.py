"""Expectation values: of operators and of measured outcomes, with mitigation."""

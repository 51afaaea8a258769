"""Variational optimisation: ansatz, objective and the optimisers by name."""

"""The program library, and what its programs share, in folders by duty.

Layout: ``library/`` has a folder for each program; ``inputs/`` checks what clients send,
``simulate/`` runs circuits on Aer, ``estimate/`` computes expectation values, ``optimize/``
minimises them. All of it is imported in the program process alone; ``contract.catalog`` reads the
library's metadata.
"""

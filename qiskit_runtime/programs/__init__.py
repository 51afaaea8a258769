"""The program library, and the parts that its programs share, in rooms by duty.

``library/`` has a folder for each program. ``inputs/`` checks clients' data, ``simulate/`` runs
circuits on Aer, ``estimate/`` computes expectation values, and ``optimize/`` minimises them. Each
room imports from those before it alone. All of it is imported in the program process alone;
``contract.catalog`` reads the library's metadata.
"""

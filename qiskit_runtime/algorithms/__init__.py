"""What several programs of the library share: checked inputs, operators, optimisers, expectations.

Imported by programs, so in the program process alone; a program of one's own may use it too.
"""

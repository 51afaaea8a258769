"""The console: the pages of a browser that show jobs, and the files that they are made of.

The elements beside this module are JavaScript as browsers read it, one a file. They know this
server by its public API alone. ``assets`` serves them, ``api.routes.console`` is their address.
"""

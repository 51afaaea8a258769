"""The browser's part: elements and pages in JavaScript, as browsers read it, one a file.

The API serves them as the console (``api.console``), the client shows a job by some of them in a
notebook (``bundle``). They know a server by its public API alone.
"""

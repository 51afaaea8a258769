"""The programs there are: those of the library and of folders, and those that users uploaded.

``base`` is what every store does; ``local`` keeps uploaded programs in the data folder,
``kubernetes`` as RuntimePrograms, with ``program_cache`` in memory and ``program_resources`` for
the calls.
"""

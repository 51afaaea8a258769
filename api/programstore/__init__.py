"""The stores of programs: of the library, of folders, and uploaded ones.

``base`` is the interface and the rule of reserved names; ``local`` keeps uploaded programs in the
data folder, ``kubernetes`` as RuntimePrograms.
"""

"""The exceptions of every store, of jobs, programs and backends alike; ``errors`` answers them."""


class StorageFull(Exception):
    """There is no room for what was sent; the text says how much is taken, and of how much."""


class StoreUnavailable(Exception):
    """The store can't do it just now, through no fault of the client; the text says why."""

"""The stores that keep and run jobs; ``base`` is their interface."""

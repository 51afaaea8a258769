"""The stores of sessions: ``base`` is what routes know, ``local`` and ``kubernetes`` keep them."""

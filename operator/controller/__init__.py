"""The operator's body: observes RuntimeJobs and what runs them, decides the next step, takes it.

``main``, which kopf is given, makes its objects; ``watches`` brings what happens in the cluster.
"""

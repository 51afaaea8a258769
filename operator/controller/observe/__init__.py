"""The observation of a RuntimeJob: the watched objects, the state of its pod, what they miss."""

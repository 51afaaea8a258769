"""Runs until it is ended, which its metadata asks for after a second."""

import time


def main(_, messenger):
    """Publish one message and stay."""
    messenger.publish("on and on")
    time.sleep(60)

"""Runs until it is ended, which its metadata asks for after three seconds."""

import time


def main(_, messenger):
    """Publish one message and stay."""
    messenger.publish("on and on")
    time.sleep(60)

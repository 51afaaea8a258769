"""Never run: its metadata is what is tested."""


def main(backend, messenger):
    """Do nothing."""

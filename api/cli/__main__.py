"""``python -m api.cli``: the command line without its installed script."""

from api.cli.main import main

if __name__ == "__main__":
    main()

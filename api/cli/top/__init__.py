"""The command ``top``: all jobs in the terminal, live, with keys for logs, cancel and delete.

``feed`` asks the server, ``board`` keeps what is shown and knows the keys, ``view`` draws it,
``terminal`` is the terminal and the loop. ``cli`` puts ``COMMANDS`` into the group.
"""

import click

from api.cli.job_commands import connect, server_options


@click.command()
@click.option(
    "--interval", type=click.FloatRange(0.2, 3600), default=1.0, show_default=True,
    metavar="SECONDS", help="The time between two looks at the list of jobs.",
)  # fmt: skip
@server_options
def top(*, interval: float, url: str, token: str) -> int:
    """Watch all jobs: their phase, progress and best value, and the curve of the best value.

    Keys: up and down select a job, enter or l shows its log, c cancels it, d deletes it,
    / filters, q quits. Without a terminal the jobs are printed once, as a table.
    """
    # rich, HTTP and websockets: --help needs none of them.
    from api.cli.screen import open_screen
    from api.cli.top.feed import Feed, take_snapshot
    from api.cli.top.terminal import Terminal, is_terminal, show
    from api.cli.top.view import HEADER, make_row

    with connect(url, token) as client:
        snapshot = take_snapshot(client)
        if not is_terminal():
            open_screen().print_table(HEADER, [make_row(job) for job in snapshot.jobs])
            return 0
        with Feed(client, interval) as feed, Terminal() as terminal:
            return show(terminal, feed, snapshot, url)


COMMANDS = {"top": top}
"""The command by its name."""

"""The commands that look at jobs and backends, and end or delete a job.

``cli`` puts ``COMMANDS`` into the group; the other commands share the options.
"""

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import click

from api.cli.terminal import format_table, open_screen, printable

if TYPE_CHECKING:
    from api.cli.client import Client

DEFAULT_URL = "http://127.0.0.1:8000"
"""Where ``qiskit-runtime serve`` listens."""

Handler = TypeVar("Handler", bound=Callable[..., Any])


def server_options(command: Handler) -> Handler:
    """Which server, for every command here."""
    url = click.option(
        "--url", envvar="RUNTIME_URL", default=DEFAULT_URL, help="The server.",
        show_default=True, show_envvar=True,
    )  # fmt: skip
    token = click.option(
        "--token", envvar="RUNTIME_TOKEN", default="", show_envvar=True,
        help="Its token; better in the variable, which other users can't see.",
    )  # fmt: skip
    return url(token(command))


json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON for scripts, and nothing else."
)


def connect(url: str, token: str) -> "Client":
    """A client of that server."""
    # HTTP and websockets take a third of a second to import; --help needs neither.
    from api.cli.client import Client, is_here
    from api.cli.tokens import find_token

    parts = urlsplit(url or DEFAULT_URL)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise click.BadParameter(f"{url!r} is no http:// or https:// address", param_hint="--url")
    if not token.isascii():
        raise click.BadParameter("a token has ASCII characters only", param_hint="--token")
    if not token and is_here(parts.hostname):
        token = find_token()
    return Client(url or DEFAULT_URL, token)


@click.command()
@json_option
@server_options
def backends(*, as_json: bool, url: str, token: str) -> None:
    """What a program can run on."""
    with connect(url, token) as client:
        found = client.get("/backends")["backends"]
    rows = [(backend["name"], backend["description"]) for backend in found]
    show_table(found, as_json, ("BACKEND", "DESCRIPTION"), rows)


@click.command()
@click.option("--pending", is_flag=True, help="Queued and running jobs, not the ended ones.")
@click.option("--limit", default=20, type=click.IntRange(0), show_default=True, help="At most.")
@json_option
@server_options
def jobs(*, pending: bool, limit: int, as_json: bool, url: str, token: str) -> None:
    """Jobs, newest first: the ended ones, or with --pending the others."""
    with connect(url, token) as client:
        page = client.get("/jobs", pending=pending, limit=limit)
    rows = [
        # Month to second: with these four columns an ordinary terminal is full.
        (job["id"], job["program"], job["status"], job["created"][5:19].replace("T", " "))
        for job in page["jobs"]
    ]
    show_table(page["jobs"], as_json, ("JOB", "PROGRAM", "STATUS", "CREATED"), rows)


def show_table(
    found: Any, as_json: bool, header: Sequence[str], rows: Sequence[Sequence[str]]
) -> None:
    """A table for people, or all of ``found`` for scripts."""
    screen = open_screen()
    if as_json:
        screen.print(json.dumps(found, indent=2))
    else:
        screen.print("\n".join(format_table(header, rows, screen.edge)))


@click.command()
@click.argument("job_id", metavar="ID")
@json_option
@server_options
def job(job_id: str, *, as_json: bool, url: str, token: str) -> None:
    """One job: what was asked for and what became of it (`status` does the same)."""
    with connect(url, token) as client:
        found = client.get_job(job_id)
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    for name, value in found.items():
        text = _describe(value)
        click.echo(f"{name + ':':<10} {printable(text)}")


def _describe(value: Any) -> str:
    """A field of a job on a line: lists and objects by their parts."""
    if isinstance(value, dict):
        parts = (f"{key} {part}" for key, part in value.items() if part is not None)
        return ", ".join(parts)
    return ", ".join(value) if isinstance(value, list) else str(value or "")


@click.command()
@click.argument("job_id", metavar="ID")
@server_options
def logs(job_id: str, url: str, token: str) -> None:
    """What a job printed and published so far."""
    with connect(url, token) as client:
        click.echo(client.get_logs(job_id), nl=False)


@click.command()
@click.argument("job_id", metavar="ID")
@server_options
def result(job_id: str, url: str, token: str) -> None:
    """A job's final result as JSON, whole. Exit code 1 while there is none."""
    with connect(url, token) as client:
        text = client.get_result(job_id)
        if not text:
            status = client.get_job(job_id)["status"]
            raise click.ClickException(f"job {job_id} has no result; its status is {status}")
    click.echo(text)


@click.command()
@click.argument("job_id", metavar="ID")
@server_options
def cancel(job_id: str, url: str, token: str) -> None:
    """Have a queued or running job end as Cancelled."""
    with connect(url, token) as client:
        client.cancel(job_id)
    click.echo(f"Asked the server to cancel job {job_id}.", err=True)


@click.command()
@click.argument("job_id", metavar="ID")
@server_options
def delete(job_id: str, url: str, token: str) -> None:
    """Delete an ended job and all its data."""
    with connect(url, token) as client:
        client.delete(job_id)
    click.echo(f"Deleted job {job_id}.", err=True)


COMMANDS = {
    "backends": backends,
    "jobs": jobs,
    "job": job,
    "status": job,
    "logs": logs,
    "result": result,
    "cancel": cancel,
    "delete": delete,
}
"""Each command by its name; ``status`` is another one for ``job``."""

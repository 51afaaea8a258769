"""The commands that look at jobs and backends, and end or delete a job.

``cli`` puts ``COMMANDS`` into the group; the other commands share the options.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from api.cli.drawing import printable
from qiskit_runtime.contract.wire.local_server import DEFAULT_URL

if TYPE_CHECKING:
    from qiskit_runtime.client import Client, ClientError


Handler = TypeVar("Handler", bound=Callable[..., Any])


def server_options(command: Handler) -> Handler:
    """Add the options that name the server."""
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


@contextmanager
def connect(url: str, token: str) -> Iterator["Client"]:
    """Open a client of that server; its errors end the command with a sentence and an exit code."""
    # HTTP and websockets take a third of a second to import; --help needs neither.
    from qiskit_runtime.client import Client, ClientError

    try:
        client = Client(url, token)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--url, --token") from None
    with client:
        try:
            yield client
        except ClientError as error:
            raise fail(error) from None


class _Refused(click.ClickException):
    """The request is wrong, or the server refused it."""

    exit_code = 2


class _NoServer(click.ClickException):
    """No server answers."""

    exit_code = 4


def fail(error: "ClientError") -> click.ClickException:
    """Return the error that ends the command as this error of the client asks for."""
    from qiskit_runtime.client import BadProgram, Refused, Unreachable

    remedy = _find_remedy(error)
    text = f"{error.problem}: {remedy}" if remedy else str(error)
    if isinstance(error, Refused | BadProgram):
        return _Refused(text)
    return _NoServer(text) if isinstance(error, Unreachable) else click.ClickException(text)


def _find_remedy(error: "ClientError") -> str:
    """Return what to do about an error, in terms of the command line; empty where none is known."""
    from qiskit_runtime.client import errors

    match error:
        case errors.NoServer():
            return "start one with `qiskit-runtime serve`, or name it with --url or RUNTIME_URL"
        case errors.StreamLost():
            return f"once the server answers: qiskit-runtime stream {error.job_id}"
        case errors.Unauthorized():
            return "give its token with RUNTIME_TOKEN or --token"
        case errors.ProgramNotFound():
            return "`qiskit-runtime programs` lists those there are"
        case errors.ProgramDiffers():
            return "--replace changes it"
        case errors.NameTaken():
            return "give --name"
    return ""


@click.command()
@json_option
@server_options
def backends(*, as_json: bool, url: str, token: str) -> None:
    """List the backends that programs can run on."""
    with connect(url, token) as client:
        found = client.backends()
    rows = [(backend.name, backend.description) for backend in found]
    show_table([backend.fields for backend in found], as_json, ("BACKEND", "DESCRIPTION"), rows)


@click.command()
@click.option("--pending", is_flag=True, help="Queued and running jobs, not the ended ones.")
@click.option("--limit", default=20, type=click.IntRange(0), show_default=True, help="At most.")
@json_option
@server_options
def jobs(*, pending: bool, limit: int, as_json: bool, url: str, token: str) -> None:
    """List jobs, newest first: the ended ones, or with --pending the others."""
    with connect(url, token) as client:
        found = client.jobs(pending=pending, limit=limit)
    # Month to second: with these four columns an ordinary terminal is full.
    rows = [(job.id, job.program, job.status, f"{job.created:%m-%d %H:%M:%S}") for job in found]
    header = ("JOB", "PROGRAM", "STATUS", "CREATED")
    show_table([job.fields for job in found], as_json, header, rows)


def show_table(
    found: Any, as_json: bool, header: Sequence[str], rows: Sequence[Sequence[str]]
) -> None:
    """Print a table for people, or all of ``found`` for scripts."""
    from api.cli.screen import open_screen

    screen = open_screen()
    if as_json:
        screen.print(json.dumps(found, indent=2))
    else:
        screen.print_table(header, rows)


@click.command()
@click.argument("job_id", metavar="ID")
@json_option
@server_options
def job(job_id: str, *, as_json: bool, url: str, token: str) -> None:
    """Show one job: the request and its outcome (`status` does the same)."""
    with connect(url, token) as client:
        found = client.job(job_id).info().fields
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    for name, value in found.items():
        text = _describe(value)
        click.echo(f"{name + ':':<10} {printable(text)}")


def _describe(value: Any) -> str:
    """Return a field of a job as one line: lists and objects by their parts."""
    if isinstance(value, dict):
        parts = (f"{key} {part}" for key, part in value.items() if part is not None)
        return ", ".join(parts)
    return ", ".join(value) if isinstance(value, list) else str(value or "")


@click.command()
@click.argument("job_id", metavar="ID")
@server_options
def logs(job_id: str, url: str, token: str) -> None:
    """Print all that a job printed and published so far."""
    with connect(url, token) as client:
        click.echo(client.job(job_id).logs(), nl=False)


@click.command()
@click.argument("job_id", metavar="ID")
@server_options
def result(job_id: str, url: str, token: str) -> None:
    """Print a job's final result as JSON, whole. Exit code 1 without one."""
    with connect(url, token) as client:
        text = client.job(job_id).result_text()
        if not text:
            status = client.job(job_id).status()
            raise click.ClickException(f"job {job_id} has no result; its status is {status}")
    click.echo(text)


@click.command()
@click.argument("job_id", metavar="ID")
@server_options
def cancel(job_id: str, url: str, token: str) -> None:
    """Cancel a queued or running job."""
    with connect(url, token) as client:
        client.job(job_id).cancel()
    click.echo(f"Asked the server to cancel job {job_id}.", err=True)


@click.command()
@click.argument("job_id", metavar="ID")
@server_options
def delete(job_id: str, url: str, token: str) -> None:
    """Delete an ended job and all its data."""
    with connect(url, token) as client:
        client.job(job_id).delete()
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

"""The commands that watch a job: ``run`` starts one, ``stream`` looks at one that is there.

``cli`` puts ``COMMANDS`` into the group.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from api.cli.job_commands import connect, json_option, server_options

if TYPE_CHECKING:
    from qiskit_runtime.client import Client, Job, ProgramInfo
    from qiskit_runtime.client.program_files import LocalProgram

INTERRUPTED = 130
"""The exit code after Ctrl-C: 128 + SIGINT, as a shell has it."""

logs_option = click.option(
    "--logs/--no-logs", default=True, help="Show what the job prints, or only its messages."
)


@click.command()
@click.argument("program")
@click.option(
    "-p", "--param", "pairs", multiple=True, metavar="KEY=VALUE",
    help="A parameter: JSON if the value is JSON, else a string. May be repeated.",
)  # fmt: skip
@click.option("--params", "source", metavar="FILE", help="A JSON file of parameters; - is stdin.")
@click.option("--params-json", "text", metavar="JSON", help="The parameters as JSON text.")
@click.option("--name", help="What a file or folder is uploaded as. [the file's name]")
@click.option("--backend", default="", metavar="NAME", help="See `qiskit-runtime backends`.")
@click.option("--hub", default="", help="What to file the job under ...")
@click.option("--group", default="", help="... and more of it ...")
@click.option("--project", default="", help="... and more.")
@click.option("--tag", "tags", multiple=True, help="May be repeated.")
@click.option(
    "--detach", "--no-stream", "detach", is_flag=True,
    help="Print the job's id and do not wait for it.",
)  # fmt: skip
@logs_option
@json_option
@server_options
def run(program: str, **options: Any) -> int:
    """Run PROGRAM and watch it: what it prints and publishes as it comes, then its result.

    PROGRAM is an id (see `programs`), or a file or folder of yours, as ./my_program.py or `.`: what
    ends in .py or has a slash. It is uploaded first, or updated where it has changed (see
    `upload`). Where another program has its name, --name gives it one of its own; before another
    program of yours is replaced, `run` says which, and asks on a terminal.

    With -p the value is JSON if it parses as JSON, else a string: -p shots=100, -p name=Ann,
    -p 'layout=[0, 1]'; for the string "100": -p 'shots="100"'. They go over those of --params.

    Exit code: 0 Completed, 1 Failed, 3 Cancelled, 2 refused, 4 no server. Ctrl-C cancels the job.
    """
    local = _read_local(program, options["name"])
    params = make_params(options["pairs"], _read_params(options["source"], options["text"]))
    labels = {name: options[name] for name in ("hub", "group", "project", "backend", "tags")}
    version = None
    with connect(options["url"], options["token"]) as client:
        if local is not None:
            # Refused, should somebody else have changed it meanwhile.
            program, version = _upload(client, local, options["url"])
        job = client.run(program, params=params, program_version=version, **labels)
        if options["detach"]:
            click.echo(json.dumps({"id": job.id}) if options["as_json"] else job.id)
            return 0
        try:
            return _follow(job, as_json=options["as_json"], logs=options["logs"])
        except KeyboardInterrupt:
            return _cancel_interrupted(job)


def is_path(program: str) -> bool:
    """Return whether the name of a program is meant as a file or folder, and not as an id."""
    return program.endswith(".py") or "/" in program or program in (".", "..")


def _read_local(program: str, name: str | None) -> "LocalProgram | None":
    """Return the program of a file or folder, under that name; None for an id."""
    if not is_path(program):
        if name is not None:
            raise click.BadParameter(
                f"{program} is the id of a program that is there already; a name is for a file"
                f" or folder, as ./{program}.py",
                param_hint="--name",
            )
        return None
    from api.cli.program_commands import read_local

    return read_local(program, {"name": name})


def _upload(client: "Client", local: "LocalProgram", url: str) -> tuple[str, str]:
    """Have the server keep this program as it is here; returns its id and its version."""
    from api.cli.program_commands import describe_upload, note_warnings
    from api.cli.replacement import Origins, confirm_replacement, kept_source
    from api.cli.screen import open_screen

    screen, origins = open_screen(), Origins(url)
    note_warnings(screen, local)

    def check(known: "ProgramInfo", local: "LocalProgram") -> None:
        kept = kept_source(known)
        is_other = kept.sha256 != local.source.sha256
        if is_other and not origins.has(known.id, local.path, kept):
            confirm_replacement(known, local, screen)

    uploaded = client.upload(local, replace=check)
    origins.note(uploaded.id, local)
    screen.note(f"{describe_upload(uploaded)} ({local.size})")
    return uploaded.id, uploaded.program.version


@click.command()
@click.argument("job_id", metavar="ID")
@click.option("--after", default=0, type=click.IntRange(0), help="Begin after this message.")
@logs_option
@json_option
@server_options
def stream(job_id: str, after: int, *, logs: bool, as_json: bool, url: str, token: str) -> int:
    """Watch a job, from its first message or the one after --after. Ctrl-C leaves the job alone.

    Exit codes as of `run`.
    """
    with connect(url, token) as client:
        job = client.job(job_id)
        job.info()
        try:
            return _follow(job, as_json=as_json, logs=logs, after=after)
        except KeyboardInterrupt:
            click.echo(f"\nJob {job_id} goes on.", err=True)
            return INTERRUPTED


def _follow(job: "Job", *, as_json: bool, logs: bool, after: int = 0) -> int:
    from api.cli.job_view import collect, watch
    from api.cli.screen import open_screen

    screen = open_screen()
    if as_json:
        return collect(screen, job, after=after)
    screen.note(f"Job {job.id}")
    return watch(screen, job, after=after, logs=logs)


def _cancel_interrupted(job: "Job") -> int:
    """Cancel the job after Ctrl-C."""
    from qiskit_runtime.client import ClientError

    try:
        job.cancel()
        message = f"Interrupted: asked the server to cancel job {job.id}."
    except ClientError as error:
        message = f"Interrupted; job {job.id} was not cancelled: {error}"
    click.echo(f"\n{message}", err=True)
    return INTERRUPTED


def _read_params(source: str | None, text: str | None) -> str:
    """Return the JSON text of --params or --params-json."""
    if source and text:
        raise click.UsageError("--params and --params-json can't both be given")
    if not source:
        return text or ""
    try:
        if source == "-":
            return sys.stdin.buffer.read().decode()
        return Path(source).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise click.BadParameter(f"can't read {source}: {error}", param_hint="--params") from None


def make_params(pairs: Sequence[str], text: str = "") -> str:
    """Return the parameters' JSON text: ``text`` verbatim without pairs to put into it.

    Raises:
        UsageError: a pair without ``=``, or a text that is no JSON object.
    """
    hint = "--params, --params-json"
    try:
        params = json.loads(text or "{}")
    except (ValueError, RecursionError) as error:
        raise click.BadParameter(f"not valid JSON: {error}", param_hint=hint) from None
    if not isinstance(params, dict):
        raise click.BadParameter('a JSON object is needed, as {"shots": 100}', param_hint=hint)
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not key or not equals:
            raise click.BadParameter(f"{pair!r}: write it as KEY=VALUE", param_hint="-p")
        params[key] = parse_value(value)
    return json.dumps(params) if pairs else text or "{}"


def parse_value(text: str) -> Any:
    """Return the value of JSON, else the string itself. NaN and Infinity are no JSON."""
    try:
        value = json.loads(text)
        json.dumps(value, allow_nan=False)
    except (ValueError, RecursionError):
        return text
    return value


COMMANDS = {"run": run, "stream": stream}
"""Each command by its name."""

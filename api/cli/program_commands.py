"""The commands for programs: what there is, and uploading, fetching and deleting one's own.

``cli`` puts ``COMMANDS`` into the group; ``run`` uploads by ``put_program``.
"""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from api.cli.job_commands import connect, json_option, server_options, show_table
from api.cli.terminal import open_screen, printable

if TYPE_CHECKING:
    from api.cli.client import Client
    from api.cli.program_files import LocalProgram
    from api.cli.terminal import Screen


@click.command()
@json_option
@server_options
def programs(*, as_json: bool, url: str, token: str) -> None:
    """What can be run."""
    with connect(url, token) as client:
        found = client.get("/programs")["programs"]
    rows = [
        (
            program["id"],
            program["version"],
            "public" if program["isPublic"] else "private",
            _names_of(program),
            program["description"],
        )
        for program in found
    ]
    header = ("PROGRAM", "VERSION", "SEEN BY", "PARAMETERS", "DESCRIPTION")
    show_table(found, as_json, header, rows)


def _names_of(program: dict[str, Any]) -> str:
    """The names of a program's parameters; what may be left out is in brackets."""
    listed = program["parameters"] or []
    names = [entry["name"] if entry["required"] else f"[{entry['name']}]" for entry in listed]
    text = " ".join(names)
    return text if len(text) <= 24 else text[:21] + "..."


@click.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--name", help="What it is called; its id is made of it. [the file's name]")
@click.option("--description", help="What it does. [the docstring's first paragraph]")
@click.option("--public/--private", "is_public", default=None, help="Who may see it. [private]")
@click.option(
    "--max-execution-time", type=click.IntRange(1), metavar="SECONDS",
    help="The time limit of its jobs. [300]",
)  # fmt: skip
@click.option(
    "--replace", "--update", "replace", is_flag=True, help="Change it where it is there already."
)
@json_option
@server_options
def upload(path: Path, *, replace: bool, as_json: bool, url: str, token: str, **said: Any) -> None:
    """Upload PATH, a program of your own: a .py file, or a folder with main in its main.py.

    A folder may as well be a package, with main in its __init__.py. What is said of the program
    is read from a JSON file beside it (my_program.json for my_program.py, in a folder
    <folder>.json), else from the source: the docstring, and the parameters of main with their
    defaults and annotations, which jobs are then checked by. Options go over both.

    The file is never run here. Exit codes: 0 uploaded, 2 wrong or refused, 4 no server.
    """
    from api.cli.program_files import read_program
    from api.cli.replacement import Origins

    local = read_program(path)
    local.fields.update({key: value for key, value in said.items() if value is not None})
    screen = open_screen()
    if not as_json:
        screen.note(f"{path}: {local.size}")
    note_warnings(screen, local)
    with connect(url, token) as client:
        program, done = put_program(client, local, _allow if replace else _refuse_difference)
    Origins(url).note(program["id"], local)
    if as_json:
        screen.print(json.dumps(program, indent=2))
    else:
        screen.print(f"{done} {program['id']}, version {program['version']}")


Check = Callable[[dict[str, Any], "LocalProgram"], None]
"""Refuses by an error to replace a program, which is given as the server has it, with another."""


def put_program(
    client: "Client", local: "LocalProgram", check: Check
) -> tuple[dict[str, Any], str]:
    """Have the server keep this program; returns it, and what was done in a word.

    ``check`` is asked before a program that differs is replaced.

    Raises:
        BadProgram: the name can't be had, or ``check`` refused.
        Refused: whatever the server finds wrong.
    """
    from api.cli.program_files import BadProgram
    from api.programstore.base import NameUnusable, make_program_id

    try:
        program_id = make_program_id(local.fields["name"])
    except NameUnusable as error:
        raise BadProgram(f"name: {local.fields['name']!r}: {error}") from None
    body = {**local.fields, "data": base64.b64encode(local.source.data).decode()}
    known = client.find_program(program_id)
    if known is None:
        made = client.send("POST", "/programs", body)
        return client.get_program(made["id"]), "Uploaded"
    if "data" not in known:
        raise BadProgram(
            f"{program_id} is a program of the server's own, which can't be changed: give --name"
        )
    if _is_same(known, body):
        return known, "Unchanged:"
    check(known, local)
    return client.send("PUT", client.program_path(program_id), body), "Updated"


def _refuse_difference(known: dict[str, Any], _: "LocalProgram") -> None:
    from api.cli.program_files import BadProgram

    raise BadProgram(f"{known['id']} is there already, and differs: --replace changes it")


def _allow(known: dict[str, Any], local: "LocalProgram") -> None:
    """Replace whatever is there."""


def note_warnings(screen: "Screen", local: "LocalProgram") -> None:
    """Say what was translated in a program's metadata."""
    for warning in local.warnings:
        screen.note(f"Warning: {printable(warning)}", style="yellow")


def _is_same(known: dict[str, Any], body: dict[str, Any]) -> bool:
    """Whether the server has what would be sent; what is not said stays as it is."""
    return all(known.get(key) == value for key, value in body.items())


@click.command("delete-program")
@click.argument("program_id", metavar="ID")
@server_options
def delete_program(program_id: str, url: str, token: str) -> None:
    """Delete a program that was uploaded. Jobs that were posted for it run all the same."""
    with connect(url, token) as client:
        client.delete_program(program_id)
    click.echo(f"Deleted program {program_id}.", err=True)


@click.command("download-program")
@click.argument("program_id", metavar="ID")
@click.option(
    "-o", "--output", type=click.File("wb"), default="-", help="Where to. [standard output]"
)
@server_options
def download_program(program_id: str, output: Any, url: str, token: str) -> None:
    """The source of a program that was uploaded: a module, or a tar archive."""
    with connect(url, token) as client:
        output.write(client.get_program_source(program_id))


COMMANDS = {
    "programs": programs,
    "upload": upload,
    "delete-program": delete_program,
    "download-program": download_program,
}
"""Each command by its name."""

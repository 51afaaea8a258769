"""The commands for programs: listing, uploading, fetching and deleting them.

``cli`` puts ``COMMANDS`` into the group.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from api.cli.drawing import printable
from api.cli.job_commands import connect, fail, json_option, server_options, show_table

if TYPE_CHECKING:
    from api.cli.screen import Screen
    from qiskit_runtime.client import ProgramInfo, UploadedProgram
    from qiskit_runtime.client.program_files import LocalProgram


@click.command()
@json_option
@server_options
def programs(*, as_json: bool, url: str, token: str) -> None:
    """List the programs that can be run."""
    with connect(url, token) as client:
        found = client.programs()
    rows = [
        (
            program.id,
            program.version,
            "public" if program.is_public else "private",
            _names_of(program),
            program.description,
        )
        for program in found
    ]
    header = ("PROGRAM", "VERSION", "SEEN BY", "PARAMETERS", "DESCRIPTION")
    show_table([program.fields for program in found], as_json, header, rows)


def _names_of(program: "ProgramInfo") -> str:
    """Return the names of a program's parameters, the optional ones in brackets."""
    listed = program.fields["parameters"] or []
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
def upload(
    path: Path, *, replace: bool, as_json: bool, url: str, token: str, **changes: Any
) -> None:
    """Upload PATH, a program of your own: a .py file, or a folder with main in its main.py.

    A folder may as well be a package, with main in its __init__.py. The metadata are read from a
    JSON file in the same folder (my_program.json for my_program.py, in a folder <folder>.json),
    else from the source: the docstring, and the parameters of main with their defaults and
    annotations, which jobs are then checked by. Options go over both.

    The file is never run here. Exit codes: 0 uploaded, 2 wrong or refused, 4 no server.
    """
    from api.cli.replacement import Origins
    from api.cli.screen import open_screen

    local = read_local(path, changes)
    screen = open_screen()
    if not as_json:
        screen.note(f"{path}: {local.size}")
    note_warnings(screen, local)
    with connect(url, token) as client:
        uploaded = client.upload(local, replace=replace)
    Origins(url).note(uploaded.id, local)
    if as_json:
        screen.print(json.dumps(uploaded.program.fields, indent=2))
    else:
        screen.print(describe_upload(uploaded))


def read_local(path: str | Path, changes: Mapping[str, Any]) -> "LocalProgram":
    """Return the program at a path; ``changes`` go over its own metadata."""
    # Reading programs takes pydantic, which takes a moment to import.
    from qiskit_runtime.client import BadProgram
    from qiskit_runtime.client.upload import read_source

    try:
        return read_source(path, changes)
    except BadProgram as error:
        raise fail(error) from None


def describe_upload(uploaded: "UploadedProgram") -> str:
    """Return an upload's effect in a few words: Updated coin, version 2."""
    program = uploaded.program
    colon = ":" if uploaded.change == "Unchanged" else ""
    return f"{uploaded.change}{colon} {program.id}, version {program.version}"


def note_warnings(screen: "Screen", local: "LocalProgram") -> None:
    """Show a warning for each type name of 2021 in a program's metadata."""
    for warning in local.warnings:
        screen.note(f"Warning: {printable(warning)}", style="yellow")


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
    """Fetch the source of a program that was uploaded: a module, or a tar archive."""
    with connect(url, token) as client:
        output.write(client.program_source(program_id))


COMMANDS = {
    "programs": programs,
    "upload": upload,
    "delete-program": delete_program,
    "download-program": download_program,
}
"""Each command by its name."""

"""The command ``qiskit-runtime``: serve, run a job and watch it, look at jobs.

Exit codes: 0 fine (the job Completed), 1 the job Failed or the server can't start, 2 a wrong or
refused request, 3 the job was Cancelled, 4 no server answers, 130 Ctrl-C, 141 the output's reader
went away. Heavy imports are made within the commands: ``--help`` is to be instant.
"""

import io
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from api.cli import env_commands, job_commands, program_commands, run_commands, top
from api.cli.run_commands import INTERRUPTED
from qiskit_runtime.contract.wire.local_server import DEFAULT_HOST, DEFAULT_PORT

if TYPE_CHECKING:
    from api.settings import ApiSettings

OUTPUT_CLOSED = 141
"""The exit code when nobody reads the output any more: 128 + SIGPIPE."""


class _Commands(click.Group):
    """Ends quietly when the output's reader goes away, as in ``| head``."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # Buffered output has to go somewhere when the interpreter ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return OUTPUT_CLOSED


class _OrEmpty(click.ParamType[int | None]):
    """Another type, or an empty text for not given: ``make serve WORKERS=`` leaves it empty."""

    def __init__(self, inner: click.ParamType[int]) -> None:
        self._inner = inner
        self.name = inner.name

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | None:
        return None if value == "" else self._inner.convert(value, param, ctx)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="qiskit-runtime-server")
def cli() -> None:
    """Run Qiskit programs beside the Aer simulator, and watch them.

    `quickstart` shows it all in a minute; `serve` starts a server; `run` runs a program on it,
    also one of your own: `run ./my_program.py`.
    """


@cli.command()
@click.option("--host", default=DEFAULT_HOST, help="The address to listen on.", show_default=True)
@click.option(
    "--port",
    type=_OrEmpty(click.IntRange(0, 65535)),
    default=DEFAULT_PORT,
    show_default=True,
    help="0 takes a free one.",
)
@click.option("--workers", metavar="N", help="Jobs that run at once. [NUM_WORKERS; 4]")
@click.option(
    "--programs",
    multiple=True,
    metavar="DIR",
    help="A folder of programs to add to the library; may be repeated. [RUNTIME_PROGRAMS]",
)
@click.option(
    "--backends",
    metavar="FILE",
    help="A YAML file of RuntimeBackends: your own devices. [RUNTIME_BACKENDS]",
)
@click.option("--data", metavar="DIR", help="The folder of jobs. [RUNTIME_DATA; ~/.qiskit-runtime]")
@click.option(
    "--token",
    help="The token that clients must present; empty is none. A file or the variable is safer:"
    " every user of this machine can read arguments. [RUNTIME_TOKEN]",
)
@click.option("--token-file", metavar="FILE", help="A file with the token. [RUNTIME_TOKEN_FILE]")
@click.option(
    "--tls-cert",
    metavar="FILE",
    help="Serve over TLS (https and wss) with this certificate, in PEM. [RUNTIME_TLS_CERT]",
)
@click.option("--tls-key", metavar="FILE", help="The certificate's key. [RUNTIME_TLS_KEY]")
@click.option(
    "--accounts",
    metavar="FILE",
    help="A YAML file of accounts: hashes of tokens, with instances and roles. [RUNTIME_ACCOUNTS]",
)
@click.option(
    "--allow-host",
    "allowed_hosts",
    multiple=True,
    metavar="NAME",
    help="Serve requests for this host name too; may be repeated. [RUNTIME_ALLOWED_HOSTS]",
)
@click.option(
    "--allow-anonymous",
    is_flag=True,
    help="Without a token: serve every user of this machine, and others that --host lets in."
    " [RUNTIME_ALLOW_ANONYMOUS]",
)
@click.option(
    "--job-memory",
    "job_memory_bytes",
    metavar="SIZE",
    help="Memory limit of one job, such as 2GiB; 0 is none. [RUNTIME_JOB_MEMORY_BYTES]",
)
@click.option(
    "--program-env",
    multiple=True,
    metavar="NAME",
    help="Pass this environment variable on to programs too; may be repeated."
    " [RUNTIME_PROGRAM_ENV]",
)
@click.option(
    "--keep-days",
    metavar="DAYS",
    help="Delete jobs so many days after their end; 0 is never. [RUNTIME_KEEP_DAYS; 0]",
)
@click.option(
    "--keep-bytes",
    metavar="SIZE",
    help="Delete the oldest ended jobs when all take more, such as 10GiB; 0 is never."
    " [RUNTIME_KEEP_BYTES; 0]",
)
@click.option("--max-queued", metavar="N", help="Jobs that may wait. [RUNTIME_MAX_QUEUED; 1000]")
@click.option("--reload", is_flag=True, help="Restart when the server's code changes.")
@click.option("--access-log", is_flag=True, help="Log each request.")
@click.pass_context
def serve(context: click.Context, /, **options: Any) -> None:
    """Serve on this machine: one process for each job.

    What is left out comes from the environment variable in [brackets], or has the default
    that stands there.
    """
    from pydantic import SecretStr

    from api.cli.tokens import make_token, take_from_file
    from api.serving import server as serving
    from api.serving.certificate import check_certificate
    from api.serving.serve_settings import GivenOptions, WrongSetting, load_settings
    from api.serving.server_process import hide_option

    serving.exit_on_signals()
    given = take_from_file(GivenOptions.from_context(context), options["token_file"] or "")
    settings = load_settings(given)
    if options["token"]:
        hide_option("--token", options["token"], "RUNTIME_TOKEN")
    host, is_guarded = options["host"] or DEFAULT_HOST, settings.auth_mode != "none"
    try:
        serving.check_address(host, is_guarded, settings.allow_anonymous)
    except serving.NotLoopback as refusal:
        raise WrongSetting(f"--host: {refusal}") from None
    check_certificate(settings, given)
    port = DEFAULT_PORT if options["port"] is None else options["port"]
    listener = serving.open_socket(host, port)
    serving.check_accounts(settings, given.name_of("accounts"))
    if not settings.namespace:
        serving.check_backends(settings, given.name_of("backends"))
        serving.check_data_folder(settings, given.name_of("data"))
    if is_made := _needs_a_token(settings):
        made = {"token": SecretStr(make_token(settings.data)), "auth_mode": "token"}
        settings = settings.model_copy(update=made)
    _announce(serving.make_url(listener, settings), settings, is_made=is_made)
    if settings.auth_mode == "none" and not serving.is_loopback(host):
        click.echo(
            f"WARNING: anybody who reaches {host} can run programs here (no token)", err=True
        )
    serving.serve(listener, settings, reload=options["reload"], access_log=options["access_log"])


def _needs_a_token(settings: "ApiSettings") -> bool:
    """Return whether a token must be made: none is set, and connections do not show their user."""
    from api.peers import can_identify

    return not (settings.auth_mode != "none" or settings.allow_anonymous or can_identify())


_NEEDED = {"token": "", "accounts": "of an account, ", "oidc": "of the OpenID issuer, "}
"""The words for whose token is needed, by the mode."""


def _announce(url: str, settings: "ApiSettings", *, is_made: bool) -> None:
    """Print the server's address, and who may use it."""
    if is_made:
        token = settings.token.get_secret_value()
        who = f"made for this run: {token} (the command line finds it in {settings.data})"
    elif settings.auth_mode != "none":
        who = f"needed: {_NEEDED[settings.auth_mode]}Authorization: Bearer TOKEN"
    elif settings.allow_anonymous:
        who = "not needed"
    else:
        who = "not needed by this user and root; others of this machine are refused"
    lines = [
        f"Qiskit Runtime serves at {url}",
        f"  console   {url}/",
        f"  docs      {url}/docs",
        *_describe_store(settings),
        *(f"  programs  {folder}" for folder in settings.programs),
        f"  token     {who}",
        "Ctrl-C stops it.",
    ]
    click.echo("\n".join(lines))
    sys.stdout.flush()


def _describe_store(settings: "ApiSettings") -> list[str]:
    if settings.namespace:
        return [f"  jobs      RuntimeJobs in the namespace {settings.namespace}"]
    return [
        f"  workers   {settings.workers} (jobs at once)",
        f"  data      {settings.data}",
    ]


@cli.command()
def quickstart() -> int:
    """See it work: start a server, run hello-quantum, watch it, stop the server."""
    from api.cli.quickstart import quickstart as show
    from api.cli.screen import open_screen

    return show(open_screen())


def main() -> None:
    """Run the command line; ends the process."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A character that the terminal does not have is no reason to stop.
            stream.reconfigure(errors="backslashreplace")
    sys.exit(_run(cli.main))


def _run(command: Callable[..., Any]) -> int:
    try:
        return command(prog_name="qiskit-runtime", standalone_mode=False) or 0
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        return INTERRUPTED


for _name, _command in (
    run_commands.COMMANDS
    | program_commands.COMMANDS
    | job_commands.COMMANDS
    | env_commands.COMMANDS
    | top.COMMANDS
).items():
    cli.add_command(_command, _name)

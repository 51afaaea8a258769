"""The command ``env``: the environment by which IBM's official client uses this server.

``cli`` puts ``COMMANDS`` into the group.
"""

import os
import shlex
from urllib.parse import urlsplit

import click

from api.cli.job_commands import server_options
from qiskit_runtime.contract.resources.instance import (
    DEFAULT_INSTANCE,
    NotAnInstance,
    parse_instance,
)
from qiskit_runtime.contract.wire.local_server import find_token, is_loopback_host

NO_TOKEN = "none"  # noqa: S105  (a server without a token takes any)
"""The token for a server that asks for none: the client needs one all the same."""

SKIPS_DISCOVERY = "QISKIT_FUNCTIONS_EXPERIMENTAL"
"""The variable by which the client takes its instance as it is given, and looks for none."""

PLACEHOLDER = "YOUR_TOKEN"
"""The text in the place of a token that is not shown."""


@click.command()
@click.option(
    "--instance",
    default=DEFAULT_INSTANCE.name,
    show_default=True,
    help="hub/group/project, or a CRN; with --discovery also `auto`.",
)
@click.option("--show-token", is_flag=True, help="Print the token, not a placeholder for it.")
@click.option(
    "--discovery",
    is_flag=True,
    help="Have the client look for its instances: to choose them by name, plan or tag.",
)
@server_options
def env(*, instance: str, show_token: bool, discovery: bool, url: str, token: str) -> None:
    """Print the environment for IBM's official client, `qiskit-ibm-runtime` 0.49 or newer.

    In a shell: eval "$(qiskit-runtime env)". `QiskitRuntimeService()` then uses this server,
    without another change. It asks no server: nothing is checked.
    """
    base = url.rstrip("/")
    lines = {
        "QISKIT_IBM_URL": f"{base}/experimental",
        "IAM_URL": base,
        **_choose_discovery(base, discovery),
        "QISKIT_IBM_INSTANCE": _read_instance(instance, discovery),
    }
    if discovery:
        # It may be there from before, and would have the discovery left out.
        click.echo(f"unset {SKIPS_DISCOVERY}")
    for name, value in lines.items():
        click.echo(f"export {name}={shlex.quote(value)}")
    click.echo(f"export QISKIT_IBM_TOKEN={_write_token(token or _find_token(url), show_token)}")


def _choose_discovery(base: str, discovery: bool) -> dict[str, str]:
    """Return the addresses of search and catalog, or the variable that has both left out."""
    if not discovery:
        return {SKIPS_DISCOVERY: "1"}
    return {"GLOBAL_SEARCH_URL": base, "GLOBAL_CATALOG_URL": f"{base}/globalcatalog/v1"}


def _read_instance(text: str, discovery: bool) -> str:
    """Return the instance as the client takes it: by its CRN, which needs no discovery."""
    if text.startswith("crn:") or (discovery and text == "auto"):
        return text
    try:
        return parse_instance(text).crn
    except NotAnInstance as error:
        raise click.BadParameter(str(error), param_hint="--instance") from None


def _find_token(url: str) -> str:
    """Return the token that a server of this user, on this machine, has made; empty without one."""
    return find_token() if is_loopback_host(urlsplit(url).hostname or "") else ""


def _write_token(token: str, show: bool) -> str:
    if not token:
        return NO_TOKEN
    if show:
        return shlex.quote(token)
    # The shell that reads these lines has it.
    return '"$RUNTIME_TOKEN"' if os.environ.get("RUNTIME_TOKEN") == token else PLACEHOLDER


COMMANDS = {"env": env}
"""The command by its name."""

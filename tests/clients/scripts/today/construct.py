"""The service's constructor: the three ways to point an unmodified client at this server.

The environment alone is how scripts and notebooks run unchanged; the harness sets no variables of
the client's, so each check sets those of its recipe.
"""

import os
import tempfile
import time
from contextlib import contextmanager

from checklist import INSTANCE, INSTANCE_NAME, TOKEN, URL, check, newest, once, raises
from qiskit_ibm_runtime import QiskitRuntimeService
from qiskit_ibm_runtime.exceptions import IBMInputValueError, IBMNotAuthorizedError

TOKENS_AT = {"IAM_URL": URL}
WITHOUT_DISCOVERY = {**TOKENS_AT, "QISKIT_FUNCTIONS_EXPERIMENTAL": "1"}
WITH_DISCOVERY = {**TOKENS_AT, "GLOBAL_SEARCH_URL": URL, "GLOBAL_CATALOG_URL": URL}
BY_ENVIRONMENT = {
    "QISKIT_IBM_TOKEN": TOKEN,
    "QISKIT_IBM_INSTANCE": INSTANCE,
    "QISKIT_IBM_URL": f"{URL}/experimental",
}

WRONG_TOKEN_SECONDS = 2.0
"""The time in which a wrong token is refused: the client may stall for a minute."""


@contextmanager
def environment(**variables):
    """Set these variables of the client's, and no others of them."""
    names = {*WITHOUT_DISCOVERY, *WITH_DISCOVERY, *BY_ENVIRONMENT}
    before = {name: os.environ.pop(name, None) for name in names}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def resolve(url, instance, private_endpoint=None, channel=None):
    """Return the address of the REST API, as the client asks a resolver."""
    return f"{URL}/api/v1"


@once
def service():
    """The service that most checks use: of a script that says nothing but the variables."""
    os.environ.update(WITHOUT_DISCOVERY | BY_ENVIRONMENT)
    return QiskitRuntimeService()


@once
def discovering():
    """The service that finds its instances by the server's search."""
    with environment(**WITH_DISCOVERY):
        return QiskitRuntimeService(
            channel="ibm_quantum_platform", token=TOKEN, url=URL, url_resolver=resolve
        )


@check
def constructs_from_the_environment_alone():
    """QiskitRuntimeService() without an argument."""
    assert service().active_account()["token"] == TOKEN
    assert service().channel == "ibm_quantum_platform"


@check
def constructs_with_a_url_resolver():
    """The address may be given as the client's own argument."""
    with environment(**WITHOUT_DISCOVERY):
        explicit = QiskitRuntimeService(
            channel="ibm_quantum_platform", token=TOKEN, instance=INSTANCE, url=URL,
            url_resolver=resolve,
        )  # fmt: skip
        assert explicit.backends()


@newest
def constructs_for_the_old_name_of_the_channel():
    """Scripts of 2023 to 2025 say ibm_cloud."""
    with environment(**WITHOUT_DISCOVERY):
        old = QiskitRuntimeService(
            channel="ibm_cloud", token=TOKEN, instance=INSTANCE, url=f"{URL}/experimental"
        )
        assert old.backends()


@check
def constructs_without_an_instance():
    """The client finds its instances by searching for them."""
    assert discovering().backends()


@check
def finds_an_instance_by_its_name():
    """instance= takes a name, which the search knows."""
    with environment(**WITH_DISCOVERY):
        named = QiskitRuntimeService(
            channel="ibm_quantum_platform", token=TOKEN, url=URL, url_resolver=resolve,
            instance=INSTANCE_NAME,
        )  # fmt: skip
    assert named.active_instance() == INSTANCE
    assert named.backends()


@newest
def finds_an_instance_by_plan_and_region():
    """The preferences of the constructor choose among the instances."""
    plan = discovering().instances()[0]["plan"]
    with environment(**WITH_DISCOVERY):
        preferring = QiskitRuntimeService(
            channel="ibm_quantum_platform", token=TOKEN, url=URL, url_resolver=resolve,
            region="us-east", plans_preference=[plan],
        )  # fmt: skip
    assert preferring.backends()


@check
def lists_its_instances():
    """instances() names each with its CRN and plan."""
    found = {one["name"]: one for one in discovering().instances()}
    assert found[INSTANCE_NAME]["crn"] == INSTANCE, found
    assert found[INSTANCE_NAME]["plan"], found
    return sorted(found)


@newest
def says_its_active_instance():
    """active_instance() is the one that was asked for."""
    assert service().active_instance() == INSTANCE


@check
def saves_an_account_and_loads_it():
    """A saved account needs no variables but those of tokens and discovery."""
    with tempfile.TemporaryDirectory() as folder, environment(**WITHOUT_DISCOVERY):
        file = f"{folder}/accounts.json"
        QiskitRuntimeService.save_account(
            channel="ibm_quantum_platform", token=TOKEN, url=f"{URL}/experimental",
            instance=INSTANCE, filename=file, name="mine",
        )  # fmt: skip
        assert "mine" in QiskitRuntimeService.saved_accounts(filename=file)
        assert QiskitRuntimeService(filename=file, name="mine").backends()
        assert QiskitRuntimeService.delete_account(filename=file, name="mine")


@newest
def refuses_a_wrong_token_at_once():
    """A wrong token is an error in two seconds, and no minute of waiting."""
    begun = time.monotonic()
    with environment(**WITHOUT_DISCOVERY):
        wrong = QiskitRuntimeService(
            channel="ibm_quantum_platform", token="wrong-token", instance=INSTANCE,
            url=f"{URL}/experimental",
        )  # fmt: skip
        error = raises(IBMNotAuthorizedError, wrong.usage)
    seconds = time.monotonic() - begun
    assert seconds < WRONG_TOKEN_SECONDS, seconds
    return f"{seconds:.2f} s: {error}"


@newest
def refuses_a_wrong_token_in_discovery_at_once():
    """The same where the client searches for its instances."""
    begun = time.monotonic()
    with environment(**WITH_DISCOVERY):
        error = raises(
            Exception, QiskitRuntimeService,
            channel="ibm_quantum_platform", token="wrong-token", url=URL, url_resolver=resolve,
        )  # fmt: skip
    seconds = time.monotonic() - begun
    assert seconds < WRONG_TOKEN_SECONDS, seconds
    return f"{seconds:.2f} s: {type(error).__name__}: {error}"


@newest
def refuses_an_unknown_instance():
    """A name that no instance has is an error that says so."""
    with environment(**WITH_DISCOVERY):
        return raises(
            IBMInputValueError, QiskitRuntimeService,
            channel="ibm_quantum_platform", token=TOKEN, url=URL, url_resolver=resolve,
            instance="nobody/has/this",
        )  # fmt: skip

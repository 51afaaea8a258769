"""qiskit-ibm-runtime-mcp-server, a third party's program over the official client.

It is started as an assistant starts it, with the lines of ``qiskit-runtime env`` as its
environment, and asked over its standard input and output.
"""

import asyncio
import os
import sys
import time
from pathlib import Path

import checklist
from checklist import INSTANCE, TOKEN, URL, check
from fastmcp import Client
from fastmcp.client.transports import StdioTransport

SERVER = Path(sys.executable).with_name("qiskit-ibm-runtime-mcp-server")

ENVIRONMENT = {
    "IAM_URL": URL,
    "QISKIT_FUNCTIONS_EXPERIMENTAL": "1",
    "QISKIT_IBM_TOKEN": TOKEN,
    "QISKIT_IBM_INSTANCE": INSTANCE,
    "QISKIT_IBM_URL": f"{URL}/experimental",
}

BELL = """
OPENQASM 3.0;
include "stdgates.inc";
qubit[2] q;
bit[2] c;
h q[0];
cx q[0], q[1];
c = measure q;
"""


def talk(conversation):
    """Start the server, have this conversation with it, and return what it comes to."""

    async def run():
        environment = {**os.environ, **ENVIRONMENT}
        transport = StdioTransport(command=str(SERVER), args=[], env=environment)
        async with Client(transport) as client:
            return await conversation(client)

    return asyncio.run(run())


async def call(client, tool, **arguments):
    """Return what a tool answers; it must have worked."""
    answer = (await client.call_tool(tool, arguments)).data
    assert answer["status"] in ("success", "pending"), answer
    return answer


async def finish(client, answer):
    """Return the results of the job that a tool has submitted, once it has ended."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        results = await call(client, "get_job_results_tool", job_id=answer["job_id"])
        if results["status"] == "success":
            return results
        await asyncio.sleep(0.2)
    raise AssertionError(f"the job did not end: {results}")


@check
def lists_backends():
    """An assistant finds the backends, and one that is free."""

    async def conversation(client):
        found = await call(client, "list_backends_tool")
        free = await call(client, "least_busy_backend_tool")
        return [backend["name"] for backend in found["backends"]], free["backend_name"]

    names, free = talk(conversation)
    assert "aer_simulator" in names
    assert free in names
    return names


@check
def describes_a_device():
    """It reads properties and the coupling map of a device."""

    async def conversation(client):
        found = await call(client, "list_backends_tool")
        device = next(one["name"] for one in found["backends"] if not one["simulator"])
        edges = await call(client, "get_coupling_map_tool", backend_name=device)
        calibration = await call(client, "get_backend_calibration_tool", backend_name=device)
        return edges, calibration

    edges, calibration = talk(conversation)
    assert edges["num_qubits"] >= 10
    assert edges["num_edges"] > 0
    return sorted(calibration)


@check
def runs_a_sampler():
    """A circuit in OpenQASM 3 runs, and its counts come back."""

    async def conversation(client):
        wanted = {"circuit": BELL, "backend_name": "aer_simulator", "shots": 200}
        job = await call(client, "run_sampler_tool", **wanted)
        results = await finish(client, job)
        status = await call(client, "get_job_status_tool", job_id=job["job_id"])
        return results["counts"], status

    counts, status = talk(conversation)
    assert sum(counts.values()) == 200
    assert set(counts) <= {"00", "11"}, counts
    assert status["job_status"] == "DONE", status
    return counts


@check
def runs_an_estimator():
    """An observable is estimated."""

    async def conversation(client):
        wanted = {"circuit": BELL.replace("c = measure q;", ""), "observables": "ZZ"}
        job = await call(client, "run_estimator_tool", **wanted, backend_name="aer_simulator")
        await finish(client, job)
        return await call(client, "list_my_jobs_tool", limit=5)

    jobs = talk(conversation)
    assert jobs["total_jobs"] >= 1, jobs


@check
def reads_usage_and_instances():
    """It tells the instance that it uses, and its usage."""

    async def conversation(client):
        active = await call(client, "active_instance_info_tool")
        return active, await call(client, "usage_info_tool")

    active, usage = talk(conversation)
    assert INSTANCE in str(active), active
    return usage


checklist.run()

"""/jobs on a real server: the 2021 dialect, without its bugs and its limits."""

import json
import re
import statistics
import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID, uuid4

import pytest

from tests.api.conftest import WORKERS, Server, wait_until

JOB_FIELDS = {
    *("id", "hub", "group", "project", "backend", "status", "params", "program", "created"),
    *("tags", "reason", "message", "scheduled", "containerStarted", "started", "finished"),
    "progress",
    "seeds",
    "versions",
}


@pytest.fixture(scope="module")
def completed(server: Server) -> str:
    """A job that printed, published and completed."""
    job_id = server.run_steps(
        ["print", "one"], ["publish", {"a": 1}], ["print", "two"], ["final", 2]
    )
    assert server.wait(job_id)["status"] == "Completed"
    return job_id


@pytest.fixture(scope="module")
def failed(server: Server) -> str:
    """A job that published a message and failed."""
    job_id = server.run_steps(["publish", "so far"], ["fail", "no luck"])
    assert server.wait(job_id)["status"] == "Failed"
    return job_id


def test_posted_job_answers_200_with_a_uuid(server):
    """POST /jobs answers 200 and nothing but the id, a random UUID."""
    answer = server.post()

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    [(key, job_id)] = answer.json().items()
    assert key == "id"
    assert UUID(job_id).version == 4


def test_job_of_an_id_that_was_answered_is_there_at_once(server):
    """Between the POST's answer and the next request nothing has to happen."""
    job_id = server.run()

    assert server.http.get(f"/jobs/{job_id}").status_code == 200
    assert job_id in [
        job["id"] for pending in ("true", "false") for job in _list(server, pending=pending)
    ]


def test_job_has_the_fields_of_2021_and_ours(server, completed):
    """A job's form is the 2021 one with more fields."""
    job = server.job(completed)

    assert set(job) == JOB_FIELDS
    assert (job["status"], job["program"]) == ("Completed", "steps")
    assert (job["reason"], job["message"]) == ("", "")


def test_created_is_utc_with_six_decimals(server):
    """``created`` is the moment of the POST, as the 2021 server wrote it."""
    before = datetime.now(UTC)
    created = server.job(server.run())["created"]
    after = datetime.now(UTC)

    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", created)
    assert before <= datetime.fromisoformat(created) <= after


def test_times_of_an_ended_job_are_in_order(server, completed):
    """created, started and finished have one form, so that they sort as text."""
    job = server.job(completed)

    assert job["created"] < job["started"] < job["finished"]
    assert len({len(job[name]) for name in ("created", "started", "finished")}) == 1


def test_small_answer_is_not_held_back(server):
    """A poll takes a few milliseconds: no answer waits for a delayed acknowledgement (40 ms)."""
    seconds = []
    for _ in range(25):
        begun = time.monotonic()
        assert server.http.get("/backends").status_code == 200
        seconds.append(time.monotonic() - begun)

    assert statistics.median(seconds) < 0.03


@pytest.mark.parametrize("name", ["", "string", "aer_simulator"])
def test_default_backend_is_shown_by_its_name(server, name):
    """Nothing and the documentation's literal mean the default, which GET then names."""
    job_id = server.run_steps(["backend", None], backend=name)

    assert server.job(job_id)["backend"] == "aer_simulator"
    server.wait(job_id)
    assert json.loads(server.text(job_id, "results")) == "aer_simulator"


def test_chosen_backend_is_what_the_program_gets(server):
    """A name from GET /backends is the backend that main is called with."""
    job_id = server.run_steps(["backend", None], backend="aer_simulator_stabilizer")

    assert server.job(job_id)["backend"] == "aer_simulator_stabilizer"
    server.wait(job_id)
    assert json.loads(server.text(job_id, "results")) == "aer_simulator_stabilizer"


def test_program_id_in_capitals_is_the_same_program(server):
    """Ids are taken without regard to case, and shown as they are."""
    assert server.job(server.run("STEPS"))["program"] == "steps"


def test_missing_params_are_an_empty_object(server):
    """``[]`` calls the program without arguments."""
    assert server.job(server.run(params=None))["params"] == ["{}"]


def test_extra_params_are_ignored(server):
    """Only the first entry is read, as in 2021; the others need not even be JSON."""
    body = server.make_body("steps") | {"params": ["{}", "not JSON", ""]}
    answer = server.http.post("/jobs", json=body)

    assert answer.status_code == 200
    assert server.job(answer.json()["id"])["params"] == ["{}"]


def test_unknown_fields_are_ignored(server):
    """A client of a newer dialect may send fields that this one does not have."""
    assert server.post(image="x", runtime="y").status_code == 200


@pytest.mark.parametrize(
    "params",
    [
        '  { "steps" :\t[ ] }\n',
        '{"z": 1, "a": 2, "m": {"y": 1, "b": 2}}',
        '{"big": 1e400, "precise": 0.1000000000000000055511151231257827, "n": 1E+2}',
        '{"nan": NaN, "inf": [Infinity, -Infinity]}',
        '{"escaped": "\\u00e9\\/\\ud83d\\ude00", "lone": "\\ud800"}',
        '{"plain": "\u00e9/\U0001f600\u2028"}',
        '{"__type__": "settings", "__module__": "os", "__class__": "system"}',
        '{"nul": "\\u0000", "digits": ' + "9" * 4000 + "}",
        '{"deep": ' + "[" * 99 + "]" * 99 + "}",
    ],
    ids=[
        "spacing",
        "order",
        "numbers",
        "nan",
        "escaped",
        "plain",
        "tagged",
        "nul-and-digits",
        "deep",
    ],
)
def test_params_come_back_verbatim(server, params):
    """Parameters are kept as the text that was posted: never decoded, never re-encoded."""
    assert server.job(server.run("hello-quantum", params=params))["params"] == [params]


def test_params_of_eight_mebibytes_are_taken_and_run(server):
    """The limit is 8 MiB of text, and a job of that size runs."""
    text = '{"steps": []}'
    params = text + " " * (8 * 2**20 - len(text))
    job_id = server.run(params=params)

    assert server.frames(job_id) == []
    job = server.job(job_id)
    assert (job["status"], job["reason"]) == ("Completed", "NoResult")
    assert job["params"] == [params]
    assert server.http.delete(f"/jobs/{job_id}").status_code == 204


def test_labels_come_back_as_posted(server):
    """hub, group, project and tags are the client's own text, whatever it is."""
    labels = {"hub": "", "group": "x" * 128, "project": "Zoë/..\\\x00\n\U0001f600"}
    tags = ["a", "b c", ""]
    job = server.job(server.run(**labels, tags=tags))

    assert {name: job[name] for name in labels} == labels
    assert job["tags"] == tags


def test_logs_of_a_completed_job_have_prints_and_messages_in_order(server, completed):
    """The log is everything printed and a line for each message, as one JSON string."""
    assert server.text(completed, "logs") == 'one\n{"a": 1}\ntwo\n2\n'


def test_results_are_json_text_in_a_json_string(server, completed):
    """The final result's JSON text is the answer's string; what came before it is not in it."""
    assert server.text(completed, "results") == "2"


def test_failed_job_says_why(server, failed):
    """Status, reason, message and the log's traceback tell what went wrong; there is no result."""
    job = server.job(failed)

    assert (job["status"], job["reason"]) == ("Failed", "ProgramError")
    assert job["message"] == "ValueError: no luck (steps.py, line 46: raise ValueError(text))"
    log = server.text(failed, "logs")
    assert log.startswith('"so far"\nTraceback (most recent call last):\n')
    assert log.rstrip().endswith("ValueError: no luck")
    assert server.text(failed, "results") == ""


def test_failure_that_is_no_text_breaks_no_answer(server):
    """An exception whose text is half a character, or huge, ends the job and breaks no answer."""
    for text in ("\ud800", "x" * 1_000_000, "\x00\x1b[31m\u2028"):
        job_id = server.run_steps(["publish", 1], ["fail", text])
        job = server.wait(job_id)
        assert (job["status"], job["reason"]) == ("Failed", "ProgramError")
        assert job["message"].startswith("ValueError")
        assert len(job["message"]) <= 1000
        assert "ValueError" in server.text(job_id, "logs")
        assert job in _list(server, limit=5)


def test_params_that_main_does_not_take_fail_the_job(server):
    """A wrong keyword is the job's failure, with its own reason."""
    job = server.wait(server.run(params='{"greeting": 1}'))

    assert (job["status"], job["reason"]) == ("Failed", "InvalidParams")
    assert "greeting" in job["message"]


def test_job_over_its_time_is_cancelled_ran_too_long(server):
    """After the program's max_execution_time the status is the hosted service's text."""
    job_id = server.run("three-seconds")
    job = server.wait(job_id)

    assert job["status"] == "Cancelled - Ran too long"
    assert job["reason"] == "RanTooLong"
    assert "3 s" in job["message"]
    assert server.text(job_id, "results") == ""
    assert job_id in [entry["id"] for entry in _list(server, program="three-seconds")]


def test_running_job_shows_logs_and_no_result(server, gate):
    """Logs are live while the job runs; the result is an empty string until the end."""
    job_id = server.run_steps(
        ["print", "hello"], ["publish", 1], ["write", "par"], ["wait", str(gate)]
    )
    try:
        server.wait(job_id, while_in=("Queued",))
        wait_until(lambda: server.text(job_id, "logs") == "hello\n1\npar")
        job = server.job(job_id)
        assert (job["status"], job["finished"]) == ("Running", None)
        assert server.text(job_id, "results") == ""
    finally:
        gate.touch()
    assert server.wait(job_id)["status"] == "Completed"


def test_cancelled_running_job_ends_within_5_seconds(server, gate):
    """Cancel answers 204 without a body; the job is Cancelled, and then can be deleted."""
    job_id = server.run_steps(["publish", 1], ["wait", str(gate)])
    wait_until(lambda: server.text(job_id, "logs") == "1\n")

    answer = server.http.post(f"/jobs/{job_id}/cancel")

    assert (answer.status_code, answer.content) == (204, b"")
    job = server.wait(job_id, seconds=5)
    assert (job["status"], job["reason"]) == ("Cancelled", "CancelledByUser")
    assert server.text(job_id, "logs").startswith("1\n")
    assert server.http.post(f"/jobs/{job_id}/cancel").status_code == 204
    assert server.http.delete(f"/jobs/{job_id}").status_code == 204


def test_program_that_ignores_sigterm_is_killed(server, gate):
    """A program that ignores SIGTERM is killed, within 5 seconds."""
    job_id = server.run_steps(["ignore_sigterm", None], ["publish", 1], ["wait", str(gate)])
    wait_until(lambda: server.text(job_id, "logs") == "1\n")
    begun = time.monotonic()

    assert server.http.post(f"/jobs/{job_id}/cancel").status_code == 204

    assert server.wait(job_id, seconds=5)["status"] == "Cancelled"
    assert time.monotonic() - begun > 1, "it was given time to end by itself"


def test_queued_job_has_no_logs_and_can_be_cancelled(server, gate):
    """Before the start logs and results are 200 and empty; a cancelled queued job never runs."""
    blockers = [server.run_steps(["wait", str(gate)]) for _ in range(WORKERS)]
    try:
        for blocker in blockers:
            server.wait(blocker, while_in=("Queued",))
        job_id = server.run_steps(["print", "never"])
        job = server.job(job_id)
        assert (job["status"], job["started"], job["finished"]) == ("Queued", None, None)
        assert (server.text(job_id, "logs"), server.text(job_id, "results")) == ("", "")

        refused = server.http.delete(f"/jobs/{job_id}")
        assert (refused.status_code, refused.json()) == (403, {"detail": "Job not finalized"})
        assert server.http.post(f"/jobs/{job_id}/cancel").status_code == 204
        assert server.job(job_id)["status"] == "Cancelled"
        assert server.job(blockers[0])["status"] == "Running"
    finally:
        gate.touch()
    for blocker in blockers:
        assert server.wait(blocker)["status"] == "Completed"
    job = server.job(job_id)
    assert (job["status"], job["started"]) == ("Cancelled", None)
    assert server.text(job_id, "logs") == ""


def test_ended_job_refuses_cancel(server, completed, failed):
    """A job that has completed or failed can't be cancelled any more: 409."""
    for job_id, phase in ((completed, "Completed"), (failed, "Failed")):
        answer = server.http.post(f"/jobs/{job_id}/cancel")
        assert (answer.status_code, answer.json()) == (
            409,
            {"detail": f"Job already finalized: {phase}"},
        )
        assert server.job(job_id)["status"] == phase


def test_running_job_refuses_delete(server, gate):
    """A running job can't be deleted: 403, the 2021 text, and the job is still there."""
    job_id = server.run_steps(["wait", str(gate)])
    try:
        server.wait(job_id, while_in=("Queued",))
        answer = server.http.delete(f"/jobs/{job_id}")
        assert (answer.status_code, answer.json()) == (403, {"detail": "Job not finalized"})
    finally:
        gate.touch()
    assert server.wait(job_id)["status"] == "Completed"


def test_deleted_job_leaves_no_data(server):
    """DELETE is 204 without a body; then no route knows the job, and no file holds its data."""
    secret = f"secret-{uuid4()}"
    job_id = server.run_steps(["print", secret], ["final", secret])
    server.wait(job_id)
    assert _files_with(server, secret), "there was something to delete"

    answer = server.http.delete(f"/jobs/{job_id}")

    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers.get("content-length", "0") == "0"
    for path in ("", "/logs", "/results"):
        gone = server.http.get(f"/jobs/{job_id}{path}")
        assert (gone.status_code, gone.json()) == (404, {"detail": "Job not found"})
    assert job_id not in [job["id"] for job in _list(server)]
    assert not _files_with(server, secret)
    assert not list(server.data.glob(f"**/*{job_id}*"))


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("GET", ""), ("GET", "/logs"), ("GET", "/results")),
        *(("DELETE", ""), ("POST", "/cancel")),
    ],
)
def test_unknown_job_is_404_with_one_body(server, method, path):
    """Every route of a job that does not exist answers the 2021 body."""
    answer = server.http.request(method, f"/jobs/{uuid4()}{path}")

    assert (answer.status_code, answer.json()) == (404, {"detail": "Job not found"})


@pytest.fixture(scope="module")
def project(server):
    """Five ended jobs under a project of their own, oldest first."""
    project = f"listing-{uuid4()}"
    jobs = [
        server.run(project=project, hub=hub, group=f"g{number}", tags=[hub, "all"])
        for number, hub in enumerate(("h1", "h1", "h2", "h2", "h2"))
    ]
    for job_id in jobs:
        server.wait(job_id)
    return project, jobs


class TestListing:
    """GET /jobs."""

    def test_entries_equal_the_single_jobs_newest_first(self, server, project):
        """A list entry is what GET /jobs/{id} says, and the newest is the first."""
        name, jobs = project
        answer = server.http.get("/jobs", params={"project": name}).json()

        assert set(answer) == {"jobs", "count", "total"}
        assert [job["id"] for job in answer["jobs"]] == jobs[::-1]
        assert answer["jobs"] == [server.job(job_id) for job_id in jobs[::-1]]
        assert (answer["count"], answer["total"]) == (5, 5)

    def test_pages_join_without_gap_or_repeat(self, server, project):
        """``count`` is the size of the page, ``total`` of all; pages join to the whole list."""
        name, jobs = project
        pages = [_page(server, project=name, limit=2, offset=offset) for offset in range(0, 8, 2)]

        assert [page["count"] for page in pages] == [2, 2, 1, 0]
        assert {page["total"] for page in pages} == {5}
        assert [job["id"] for page in pages for job in page["jobs"]] == jobs[::-1]

    def test_page_does_not_move_when_a_job_is_posted(self, server, project):
        """A job under another project changes nothing; one under this comes first."""
        name, jobs = project
        server.wait(server.run(project="another"))

        assert [job["id"] for job in _list(server, project=name)] == jobs[::-1]

    def test_limit_zero_counts_only(self, server, project):
        """``limit=0`` is an empty page with the total."""
        assert _page(server, project=project[0], limit=0) == {"jobs": [], "count": 0, "total": 5}

    def test_offset_behind_the_end_is_an_empty_page(self, server, project):
        """The largest offset there is answers 200."""
        page = _page(server, project=project[0], limit=2**31 - 1, offset=2**31 - 1)
        assert page == {"jobs": [], "count": 0, "total": 5}

    @pytest.mark.parametrize(
        ("filters", "wanted"),
        [
            ({"hub": "h1"}, [1, 0]),
            ({"group": "g3"}, [3]),
            ({"hub": "h2", "group": "g3"}, [3]),
            ({"hub": "h1", "group": "g3"}, []),
            ({"tags": "h2"}, [4, 3, 2]),
            ({"tags": ["h2", "all"]}, [4, 3, 2]),
            ({"tags": ["h1", "h2"]}, []),
            ({"program": "steps"}, [4, 3, 2, 1, 0]),
            ({"program": "hello-quantum"}, []),
            ({"backend": "aer_simulator"}, [4, 3, 2, 1, 0]),
            ({"backend": "aer_montreal"}, []),
            ({"hub": ""}, []),
        ],
    )
    def test_filter_keeps_what_matches_all(self, server, project, filters, wanted):
        """Each filter narrows the list, and ``total`` with it."""
        name, jobs = project
        page = _page(server, project=name, **filters)

        assert [job["id"] for job in page["jobs"]] == [jobs[number] for number in wanted]
        assert page["total"] == len(wanted)

    def test_pending_splits_running_from_ended(self, server, gate):
        """``pending=true`` is what is queued or runs; the default is what has ended."""
        project = f"pending-{uuid4()}"
        ended = server.run(project=project)
        server.wait(ended)
        running = server.run_steps(["wait", str(gate)], project=project)
        try:
            assert [job["id"] for job in _list(server, project=project, pending="true")] == [
                running
            ]
            assert [job["id"] for job in _list(server, project=project, pending="false")] == [ended]
            assert [job["id"] for job in _list(server, project=project)] == [ended]
        finally:
            gate.touch()
        server.wait(running)
        assert [job["id"] for job in _list(server, project=project)] == [running, ended]

    def test_default_limit_is_200(self, server):
        """The OpenAPI document says the defaults of 2021: 200, 0 and false."""
        document = server.http.get("/openapi.json").json()
        parameters = document["paths"]["/jobs"]["get"]["parameters"]
        defaults = {entry["name"]: entry["schema"].get("default") for entry in parameters}

        assert (defaults["limit"], defaults["offset"], defaults["pending"]) == (200, 0, False)


def test_jobs_run_first_come_first_served_two_at_once(server, gate):
    """As many jobs run at once as there are workers; the rest waits in the order of the POSTs."""
    jobs = [server.run_steps(["wait", str(gate)]) for _ in range(WORKERS + 2)]
    try:
        wait_until(lambda: [server.job(job)["status"] for job in jobs].count("Running") == WORKERS)
        assert [server.job(job)["status"] for job in jobs[WORKERS:]] == ["Queued", "Queued"]
    finally:
        gate.touch()
    started = [datetime.fromisoformat(server.wait(job)["started"]) for job in jobs]
    # Two that start in the same moment, as both workers are free, may be a few milliseconds apart.
    moment = timedelta(seconds=0.1)
    assert all(later > former - moment for former, later in pairwise(started))
    assert max(started[:WORKERS]) < min(started[WORKERS:])
    assert started[0] + timedelta(minutes=1) > datetime.now(UTC)


def _page(server: Server, **params):
    answer = server.http.get("/jobs", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def _list(server: Server, **params):
    return _page(server, **params)["jobs"]


def _files_with(server: Server, text: str):
    return [
        path
        for path in server.data.rglob("*")
        if path.is_file() and text.encode() in path.read_bytes()
    ]

"""Logging in at a real server, by the requests that a browser makes."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import httpx
import jwt
import pytest
from websockets.exceptions import InvalidStatus

from api.browser.attempt_bounds import ATTEMPTS_OF_A_PEER
from tests.api.conftest import read_to_close, run_server, wait_until

TOKEN = "open-sesame"
PERSON = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture(scope="module")
def origin(guarded):
    """The origin of the guarded server's pages."""
    return f"http://127.0.0.1:{guarded.port}"


@pytest.fixture
def visitor(origin):
    """A browser that has not logged in."""
    with httpx.Client(base_url=origin, headers=PERSON, trust_env=False, timeout=30) as client:
        yield client


def log_in(client, origin, token=TOKEN, path="", **headers):
    """Send the login's form."""
    form = {"token": token, "next": path}
    return client.post("/login", data=form, headers={"Origin": origin, **headers})


@pytest.fixture
def person(visitor, origin):
    """A browser that has logged in."""
    assert log_in(visitor, origin).status_code == 303
    return visitor


class Form(HTMLParser):
    """The tags of a page, with their attributes."""

    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        """Keep the tag."""
        self.tags.append((tag, dict(attrs)))

    def all(self, tag):
        """Return the attributes of each tag of this name."""
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.mark.parametrize("path", ["/", "/docs", "/redoc", "/openapi.json", "/docs?deepLinking=1"])
def test_person_without_a_session_is_led_to_the_login(visitor, path):
    """A page load goes to the login, and from there back to the page."""
    answer = visitor.get(path)
    assert answer.status_code == 303
    location = httpx.URL(answer.headers["location"])
    assert location.path == "/login" and location.params["next"] == path
    assert not location.is_absolute_url
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "/docs", {"Accept": "*/*"}),
        ("GET", "/", {"Accept": "application/json"}),
        ("GET", "/jobs", PERSON),
        ("POST", "/jobs", PERSON),
        ("POST", "/", PERSON),
        ("HEAD", "/docs", PERSON),
        ("GET", "/docs", PERSON | {"Authorization": "Bearer wrong-token"}),
        ("GET", "/nope", PERSON),
    ],
)
def test_program_without_the_token_reads_401_as_json(visitor, method, path, headers):
    """Only a person who opens a page is led anywhere: calls of the API are refused as ever."""
    answer = visitor.request(method, path, headers=headers)
    assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer"
    if method != "HEAD":
        assert "token" in answer.json()["detail"]


def test_login_page_loads_nothing_and_is_closed_to_scripts_and_frames(visitor):
    """The policy allows this page's style, by its hash, and nothing else; no script is there."""
    answer = visitor.get("/login")
    assert answer.status_code == 200
    policy = dict(
        part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";")
    )
    (style,) = re.findall(r"<style>(.*?)</style>", answer.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == {
        "default-src": "'none'",
        "style-src": f"'sha256-{digest}'",
        "img-src": "data:",
        "form-action": "'self'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
    }
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    tags = Form(answer.text)
    assert not tags.all("script") and not tags.all("img")
    assert [link["href"] for link in tags.all("link")] == ["data:,"]
    assert "://" not in answer.text


def test_form_has_names_for_those_who_can_not_see_it(visitor):
    """The field has a label and a hint, the page a language, one heading and a main part."""
    page = Form(visitor.get("/login?next=/docs").text)
    (field,) = [one for one in page.all("input") if one["name"] == "token"]
    assert field["type"] == "password" and field["autocomplete"] == "current-password"
    assert [label["for"] for label in page.all("label")] == [field["id"]]
    assert [hint["id"] for hint in page.all("small")] == [field["aria-describedby"]]
    assert page.all("html") == [{"lang": "en"}]
    assert len(page.all("h1")) == len(page.all("main")) == 1
    (hidden,) = [one for one in page.all("input") if one["name"] == "next"]
    assert hidden["value"] == "/docs"


def test_token_is_exchanged_for_a_cookie(visitor, origin):
    """The cookie is for this server's pages alone, lasts twelve hours, and is not the token."""
    answer = log_in(visitor, origin, path="/docs")
    assert answer.status_code == 303 and answer.headers["location"] == "/docs"
    name, _, rest = answer.headers["set-cookie"].partition("=")
    value, *attributes = rest.split("; ")
    assert name == f"qiskit-runtime-session-{httpx.URL(origin).port}"
    assert {one.lower() for one in attributes} == {
        *("httponly", "path=/", "samesite=strict", f"max-age={12 * 3600}")
    }
    assert TOKEN not in value
    claims = jwt.decode(value, options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 12 * 3600
    assert TOKEN not in str(claims)


@pytest.mark.parametrize("path", ["/", "/docs", "/redoc", "/openapi.json", "/jobs", "/programs"])
def test_cookie_opens_every_address(person, path):
    """Pages, the document and the API's reads take the cookie for the token."""
    answer = person.get(path)
    assert answer.status_code == 200
    if path in ("/", "/docs", "/redoc"):
        assert answer.headers["x-frame-options"] == "DENY"


def test_cookie_runs_a_job_and_opens_its_websocket(person, guarded, origin):
    """A page of this server posts a job, streams it, and deletes it."""
    body = guarded.make_body("steps") | {"params": ['{"steps": [["final", 1]]}']}
    posted = person.post("/jobs", json=body, headers={"Origin": origin})
    assert posted.status_code == 200
    job_id = posted.json()["id"]
    cookie = {"Cookie": "; ".join(f"{name}={value}" for name, value in person.cookies.items())}
    with guarded.listen(job_id, additional_headers=cookie, origin=origin) as websocket:
        assert read_to_close(websocket) == (["1"], 1000)
    guarded.wait(job_id)
    deleted = person.delete(f"/jobs/{job_id}", headers={"Sec-Fetch-Site": "same-origin"})
    assert deleted.status_code == 204


SILENT = {}
OTHERS = [
    {"Origin": "http://evil.example"},
    {"Origin": "http://127.0.0.1:1"},
    {"Origin": "null"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "none"},
]


@pytest.mark.parametrize("headers", [SILENT, *OTHERS], ids=str)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/jobs"),
        ("POST", "/jobs/x/cancel"),
        ("DELETE", "/jobs/x"),
        ("POST", "/programs"),
        ("PUT", "/programs/x"),
        ("PATCH", "/programs/x"),
        ("POST", "/logout"),
    ],
)
def test_cookie_alone_writes_nothing_from_another_page(person, method, path, headers):
    """A request changes nothing unless the browser says that a page of this server makes it."""
    answer = person.request(method, path, json={}, headers=headers)
    assert answer.status_code == 403
    assert person.get("/jobs").status_code == 200, "the session goes on"


@pytest.mark.parametrize("headers", [SILENT, *OTHERS], ids=str)
def test_cookie_alone_opens_no_websocket_from_another_page(person, guarded, headers):
    """Browsers let any page open a websocket, with cookies: the server has to refuse it."""
    job_id = guarded.run_steps(["final", "secret"])
    cookie = {"Cookie": "; ".join(f"{name}={value}" for name, value in person.cookies.items())}
    with pytest.raises(InvalidStatus) as refused:
        guarded.listen(job_id, additional_headers=cookie | headers)
    assert refused.value.response.status_code == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_cookie_reads_nothing_for_another_page_but_links_lead_here(person, site):
    """An image or a frame of another page gets nothing; a link to a page does."""
    assert person.get("/jobs", headers={"Sec-Fetch-Site": site}).status_code == 403
    assert person.get("/docs", headers={"Sec-Fetch-Site": site}).status_code == 200


def test_header_counts_before_the_cookie(person):
    """With the token in a header no page is asked for; a wrong one is refused, cookie or not."""
    good, wrong = ({"Authorization": f"Bearer {token}"} for token in (TOKEN, "wrong-token"))
    assert person.post("/jobs", json={}, headers=good).status_code == 422
    assert person.get("/jobs", headers=wrong).status_code == 401


@pytest.mark.parametrize("token", ["", "wrong-token", "Open-sesame", "öpen", "x" * 9000])
def test_wrong_token_is_told_on_the_page(visitor, origin, token):
    """The page says that it is wrong, where screen readers say it, and sets no cookie."""
    answer = log_in(visitor, origin, token, path="/docs")
    assert answer.status_code == 401 and "set-cookie" not in answer.headers
    assert 'role="alert">This token is not valid.' in answer.text
    assert 'name="next" value="/docs"' in answer.text
    (field,) = [one for one in Form(answer.text).all("input") if one["name"] == "token"]
    assert field["aria-invalid"] == "true" and "error" in field["aria-describedby"].split()
    assert not token or token not in answer.text


def test_identity_token_is_told_to_be_none_to_log_in_with(visitor, origin):
    """The API takes it; a login that it opened would be nobody's, and lead back to the login."""
    form = {"grant_type": "urn:ibm:params:oauth:grant-type:apikey", "apikey": TOKEN}
    issued = visitor.post("/identity/token", data=form).json()["access_token"]
    assert visitor.get("/jobs", headers={"Authorization": f"Bearer {issued}"}).status_code == 200
    answer = log_in(visitor, origin, issued)
    assert answer.status_code == 401 and "set-cookie" not in answer.headers


def test_token_with_blanks_around_it_is_taken(visitor, origin):
    """A blank or a line's end that was copied along with the token does no harm."""
    assert log_in(visitor, origin, f" {TOKEN}\n").status_code == 303


@pytest.mark.parametrize("headers", [SILENT, *OTHERS], ids=str)
def test_other_page_logs_nobody_in(visitor, headers):
    """A page that logs a person in as somebody else (login CSRF) is refused."""
    answer = visitor.post("/login", data={"token": TOKEN}, headers=headers)
    assert answer.status_code == 403 and "set-cookie" not in answer.headers


def test_body_that_is_no_form_is_refused(visitor, origin):
    """A login is a small form, and nothing else."""
    own = {"Origin": origin}
    assert visitor.post("/login", json={"token": TOKEN}, headers=own).status_code == 415
    assert visitor.post("/login", headers=own).status_code == 415
    assert log_in(visitor, origin, "x" * 20_000).status_code == 413
    form = own | {"Content-Type": "application/x-www-form-urlencoded"}
    assert visitor.post("/login", content=b"\xff=1", headers=form).status_code == 400
    assert visitor.post("/login", content=b"&".join([b"a=1"] * 20), headers=form).status_code == 400


@pytest.mark.parametrize(
    "path",
    [
        *("//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example"),
        *("http://evil.example", "https:evil.example", "javascript:alert(1)", "evil.example"),
        *("/\t/evil.example", "/%0d%0aSet-Cookie:a=b\r\n", " /docs", "/docs#ä", "/a\\b", ""),
    ],
)
def test_way_on_leads_nowhere_but_to_this_server(visitor, origin, path):
    """A text that is no path of this server leads to the first page."""
    assert log_in(visitor, origin, path=path).headers["location"] == "/"
    shown = visitor.get("/login", params={"next": path})
    assert shown.status_code == 303 and shown.headers["location"] == "/"


def test_way_on_is_shown_as_text(visitor):
    """A path with quotes and brackets does not become part of the page."""
    page = visitor.get("/login", params={"next": '/"><script>alert(1)</script>'})
    assert "<script" not in page.text
    (hidden,) = [one for one in Form(page.text).all("input") if one["name"] == "next"]
    assert hidden["value"] == '/"><script>alert(1)</script>'


@pytest.mark.parametrize(
    ("headers", "scheme"),
    [
        ({}, "https"),
        ({"X-Forwarded-Proto": "https"}, "http"),
        ({"X-Forwarded-Proto": "https, http"}, "http"),
    ],
)
def test_cookie_behind_tls_is_of_the_strict_kind(visitor, guarded, headers, scheme):
    """Secure, with the prefix that keeps other hosts out, wherever TLS ends, and it is accepted."""
    named = {"Host": "runtime.example"} | headers
    answer = log_in(visitor, f"{scheme}://runtime.example", **named)
    assert answer.status_code == 303
    name, _, rest = answer.headers["set-cookie"].partition("=")
    assert name == "__Host-qiskit-runtime-session" and "; Secure" in rest
    cookie = {"Cookie": f"{name}={rest.partition(';')[0]}", "Host": "runtime.example"}
    for more in ({}, {"X-Forwarded-Proto": "https"}):
        answer = httpx.get(f"http://127.0.0.1:{guarded.port}/jobs", headers=cookie | more)
        assert answer.status_code == 200


def test_cookie_without_the_prefix_is_not_taken_behind_tls(person):
    """A neighbour's host may set such a cookie: behind TLS it counts for nothing."""
    assert person.get("/jobs", headers={"X-Forwarded-Proto": "https"}).status_code == 401


def test_cookie_is_no_token_and_a_token_is_no_cookie(person, guarded, origin):
    """Each is worth something in its own place alone."""
    ((name, value),) = person.cookies.items()
    with httpx.Client(base_url=origin, trust_env=False, timeout=30) as other:
        assert other.get("/jobs", headers={"Authorization": f"Bearer {value}"}).status_code == 401
        for wrong in (TOKEN, "", "a.b.c", value[:-2], value + "x", value.split(".")[1]):
            assert other.get("/jobs", headers={"Cookie": f"{name}={wrong}"}).status_code == 401
        assert other.get("/jobs", headers={"Cookie": f"{name}={value}"}).status_code == 200


def test_link_of_another_site_opens_the_page_again(person, visitor):
    """A first request from another site has no cookie: the page that answers goes there again."""
    person.cookies.clear()
    answer = person.get("/docs?x=1&y=2", headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 200
    (refresh,) = [one for one in Form(answer.text).all("meta") if "http-equiv" in one]
    assert refresh == {"http-equiv": "refresh", "content": "0;url=/docs?x=1&y=2"}


def test_first_page_is_for_people_alone(person):
    """People read who they are and where to go; programs find nothing, as ever."""
    page = person.get("/")
    assert "You are logged in" in page.text
    links = [one["href"] for one in Form(page.text).all("a")]
    assert links == [
        *("#content", "/", "/?view=programs", "/?view=backends", "/?view=system"),
        *("/docs", "/redoc", "/openapi.json"),
    ]
    assert [(one["method"], one["action"]) for one in Form(page.text).all("form")] == [
        ("post", "/logout")
    ]
    answer = person.get("/", headers={"Accept": "*/*"})
    assert answer.status_code == 404 and answer.json() == {"detail": "Not Found"}


def test_logging_out_ends_the_session(person, origin):
    """The browser forgets the cookie, and whoever has kept it gets nothing for it."""
    ((name, value),) = person.cookies.items()
    form = {"Origin": origin, "Content-Type": "application/x-www-form-urlencoded"}
    answer = person.post("/logout", headers=form)
    assert answer.status_code == 303 and not person.cookies
    assert "You are logged out." in person.get(answer.headers["location"]).text
    assert person.get("/jobs", headers={"Cookie": f"{name}={value}"}).status_code == 401
    assert person.post("/logout", headers=form).status_code == 303
    assert person.get("/logout").headers["location"] == "/"


def test_login_page_leads_on_whoever_is_logged_in(person):
    """There is nothing to fill in."""
    answer = person.get("/login?next=/redoc")
    assert answer.status_code == 303 and answer.headers["location"] == "/redoc"


def test_session_holds_at_every_replica_until_the_token_changes(person, tmp_path):
    """Another server of the same token takes the cookie; one with a new token does not."""
    ((_, value),) = person.cookies.items()
    for token, status in ((TOKEN, 200), ("open-sesame-2", 401)):
        with run_server(tmp_path / token, RUNTIME_TOKEN=token) as other:
            cookie = {"Cookie": f"qiskit-runtime-session-{other.port}={value}"}
            assert other.http.get("/jobs", headers=cookie).status_code == status


def write_accounts(path, *accounts):
    """Write a file of accounts, each a name and its roles, whose keys are "NAME-key"."""
    listed = [
        {
            "name": name,
            "sha256": [hashlib.sha256(f"{name}-key".encode()).hexdigest()],
            "instances": ["lab/optics/bell"],
            "roles": list(roles),
        }
        for name, *roles in accounts
    ]
    path.write_text(json.dumps({"accounts": listed}))


def test_session_is_that_of_an_account_and_ends_with_it(tmp_path):
    """The page has the account's name; a viewer writes nothing; who is taken out is logged out."""
    accounts = tmp_path / "accounts.yaml"
    write_accounts(accounts, ("alice", "user"), ("victor", "viewer"))
    with run_server(tmp_path / "server", RUNTIME_ACCOUNTS=str(accounts)) as running:
        origin = f"http://127.0.0.1:{running.port}"
        alice, victor = [
            httpx.Client(base_url=origin, headers=PERSON, trust_env=False, timeout=30)
            for _ in range(2)
        ]
        with alice, victor:
            for name, client in (("alice", alice), ("victor", victor)):
                assert log_in(client, origin, f"{name}-key").status_code == 303
                assert f"You are logged in as {name}." in client.get("/").text
            own = {"Origin": origin}
            assert alice.post("/jobs", json={}, headers=own).status_code == 422
            assert victor.post("/jobs", json={}, headers=own).status_code == 403
            write_accounts(accounts, ("victor", "viewer"))
            wait_until(lambda: alice.get("/jobs").status_code == 401)
            assert victor.get("/jobs").status_code == 200


def test_guesses_are_bounded(tmp_path):
    """After ten wrong tokens the right one has to wait as well, as the answer says."""
    with run_server(tmp_path / "server", RUNTIME_TOKEN=TOKEN) as running:
        origin = f"http://127.0.0.1:{running.port}"
        for _ in range(ATTEMPTS_OF_A_PEER):
            assert log_in(running.http, origin, "wrong-token").status_code == 401
        answer = log_in(running.http, origin)
        assert answer.status_code == 429 and 1 <= int(answer.headers["retry-after"]) <= 6
        assert "too many failed attempts: try again in" in answer.text
        header = {"Authorization": f"Bearer {TOKEN}"}
        assert running.http.get("/jobs", headers=header).status_code == 200, "calls go on"
        other = log_in(running.http, origin, **{"X-Forwarded-For": "192.0.2.7"})
        assert other.status_code == 303, "somebody else behind the same proxy"


def test_server_without_a_token_asks_for_no_login(server):
    """The login leads on at once, and the first page has nobody to log out."""
    with httpx.Client(base_url=server.http.base_url, headers=PERSON) as visitor:
        for answer in (
            visitor.get("/login?next=/docs"),
            log_in(visitor, f"http://127.0.0.1:{server.port}", path="/docs"),
        ):
            assert answer.status_code == 303 and answer.headers["location"] == "/docs"
            assert "set-cookie" not in answer.headers
        home = visitor.get("/")
        assert home.status_code == 200 and "logged in" not in home.text
        assert not Form(home.text).all("form")
        assert visitor.get("/login/callback").status_code == 404


def test_addresses_of_people_are_not_in_the_document(guarded):
    """The OpenAPI document has the API's operations alone."""
    paths = guarded.http.get("/openapi.json").json()["paths"]
    assert not [path for path in paths if "log" in path and "{" not in path]

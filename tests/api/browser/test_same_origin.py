"""Pages of this server and pages of others, by what their browsers send."""

import pytest
from starlette.datastructures import Headers

from api.browser.same_origin import is_from_other_page, is_from_own_page, is_own_origin

OWN = [
    {"host": "a.example", "origin": "http://a.example"},
    {"host": "a.example", "origin": "https://a.example"},
    {"host": "a.example:443", "origin": "https://a.example"},
    {"host": "A.example:8080", "origin": "http://a.EXAMPLE:8080"},
    {"host": "127.0.0.1:8000", "origin": "http://localhost:8000"},
    {"host": "[::1]:8000", "origin": "http://127.0.0.1:8000", "sec-fetch-site": "same-origin"},
    {"host": "a.example", "sec-fetch-site": "same-origin"},
    # A proxy that writes the name of what is behind it.
    {"host": "api.svc", "x-forwarded-host": "a.example", "origin": "https://a.example"},
    {"host": "api.svc", "x-forwarded-host": "a.example, b", "origin": "https://a.example"},
    {"host": "a.example:8080", "x-forwarded-host": "b", "origin": "http://a.example:8080"},
]

OTHERS = [
    {"host": "a.example"},
    {"host": "a.example", "sec-fetch-site": "none"},
    {"host": "a.example", "sec-fetch-site": "same-site"},
    {"host": "a.example", "sec-fetch-site": "cross-site"},
    {"host": "a.example", "sec-fetch-site": "anything"},
    {"host": "a.example", "origin": "http://b.example"},
    {"host": "a.example", "origin": "null"},
    {"host": "a.example", "origin": ""},
    {"host": "a.example", "origin": "http://a.example:81"},
    {"host": "a.example:81", "origin": "http://a.example"},
    {"host": "a.example", "origin": "ftp://a.example"},
    {"host": "a.example", "origin": "https://a.example.evil.example"},
    {"host": "a.example", "origin": "http://[:80"},
    {"host": "a.example", "origin": "http://a.example", "sec-fetch-site": "same-site"},
    {"host": "a.example", "origin": "http://b.example", "sec-fetch-site": "same-origin"},
    {"host": "", "origin": "http://"},
    {"origin": "http://a.example"},
    {"host": "api.svc", "x-forwarded-host": "", "origin": "http://"},
    {"host": "api.svc", "x-forwarded-host": "b, a.example", "origin": "http://a.example"},
]


@pytest.mark.parametrize("headers", OWN)
def test_page_of_this_server_is_known_by_either_header(headers):
    """One of the two headers is enough, and a proxy's name for this server is as good as Host."""
    assert is_from_own_page(Headers(headers))
    assert not is_from_other_page(Headers(headers))


@pytest.mark.parametrize("headers", OTHERS)
def test_anything_else_is_no_page_of_this_server(headers):
    """Silence, another origin, and headers that contradict each other prove nothing."""
    assert not is_from_own_page(Headers(headers))


def test_loopback_names_are_one_origin_but_their_ports_are_not():
    """A page at localhost may use this machine's server on the same port alone."""
    assert is_own_origin("http://[::1]:8000", Headers({"host": "localhost:8000"}))
    assert not is_own_origin("http://localhost:8001", Headers({"host": "localhost:8000"}))
    assert not is_own_origin("http://localhost:8000", Headers({"host": "a.example:8000"}))


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_word_of_the_browser_against_a_page_is_taken(site):
    """Another site, and another origin of the same site, are both others."""
    assert is_from_other_page(Headers({"sec-fetch-site": site}))

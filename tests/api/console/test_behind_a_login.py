"""The console of a server that asks for a token."""

from playwright.sync_api import expect

TOKEN = "open-sesame"


def test_shared_link_leads_through_the_login_to_the_job(chromium, guarded):
    """Whoever follows it logs in and sees that job, live; the way out is on the page."""
    job_id = guarded.run_steps(["count", 5], ["final", {"00": 1}])
    guarded.wait(job_id)
    context = chromium.new_context(base_url=f"http://127.0.0.1:{guarded.port}")
    page = context.new_page()
    page.goto(f"/?view=job&id={job_id}")
    page.get_by_label("Token").fill(TOKEN)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("group", name="value: 5 points")).to_be_visible()
    expect(page.get_by_text("You are logged in.")).to_be_visible()
    # Its buttons are this server's own page's, so the cookie is enough.
    page.get_by_role("button", name="Run again, same seed").click()
    page.wait_for_url(lambda url: job_id not in url)
    expect(page.get_by_role("heading", name="Job of steps")).to_contain_text("Completed")
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("status")).to_contain_text("You are logged out.")
    context.close()


def test_page_that_is_open_when_the_session_ends_leads_to_the_login(chromium, guarded):
    """The table does not go on in silence, and comes back to where it was."""
    context = chromium.new_context(base_url=f"http://127.0.0.1:{guarded.port}")
    page = context.new_page()
    page.goto("/?search=steps")
    page.get_by_label("Token").fill(TOKEN)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("heading", name="Jobs", exact=True).wait_for()
    context.clear_cookies()
    page.wait_for_url("**/login?next=*", timeout=15_000)
    page.get_by_label("Token").fill(TOKEN)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/?search=steps")
    context.close()


def test_console_is_closed_without_the_token(chromium, guarded):
    """None of its files is served to whoever has no session."""
    context = chromium.new_context(base_url=f"http://127.0.0.1:{guarded.port}")
    page = context.new_page()
    page.goto("/login")
    assert page.request.get("/console/app.js").status == 401
    context.close()

"""The console as a person meets it who has never seen the project."""

from playwright.sync_api import expect

from tests.console_walk import run_compare_share


def test_person_runs_vqe_watches_compares_and_shares(page, server, chromium):
    """Open the address, run vqe from its form, watch its curve, try another optimiser, share."""
    link = run_compare_share(page, server.http)
    other = chromium.new_context().new_page()
    other.goto(link)
    expect(other.get_by_role("heading", name="Job of vqe")).to_contain_text("Completed")
    other.context.close()

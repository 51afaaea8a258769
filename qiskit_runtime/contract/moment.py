"""Times as all of our documents have them: ISO 8601 in UTC, to the microsecond. Pure."""

from datetime import UTC, datetime


def format_moment(moment: datetime) -> str:
    """Format a time; such texts are in the order of their times."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def format_optional_moment(moment: datetime | None) -> str | None:
    """Format a time that may not have come yet."""
    return None if moment is None else format_moment(moment)

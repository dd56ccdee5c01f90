"""The demo's first session stands so that its weekly series crosses a clock change, whenever the demo is run."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cli.demo.booking import SESSIONS, first_session_date
from services.cli.demo.stage import DemoError

ZONES = ["America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Australia/Sydney", "America/Los_Angeles"]


@given(
    now=st.integers(0, 3650).map(lambda days: datetime(2025, 1, 1, tzinfo=UTC) + timedelta(days=days)),
    zone=st.sampled_from(ZONES).map(ZoneInfo),
)
def test_the_series_crosses_a_change(now: datetime, zone: ZoneInfo) -> None:
    first = first_session_date(now, zone)
    offsets = {
        datetime.combine(first + timedelta(weeks=week), time(12), tzinfo=zone).utcoffset() for week in range(SESSIONS)
    }
    assert first.weekday() == 1
    assert len(offsets) == 2
    assert datetime.combine(first - timedelta(days=9), time(9, 30), tzinfo=zone) > now


def test_a_zone_without_changes_is_refused() -> None:
    with pytest.raises(DemoError, match="change"):
        first_session_date(datetime(2026, 11, 24, tzinfo=UTC), ZoneInfo("Asia/Kolkata"))

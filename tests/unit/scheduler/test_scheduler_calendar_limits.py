"""How often somebody may ask for a calendar, and who counts as somebody."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scheduler.feeds.limits import RateLimit, client_of

PROXIES = frozenset({"10.0.0.0/8", "fd00::/8"})


class Seconds:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_so_many_at_once_then_a_wait_that_is_told():
    seconds = Seconds()
    limit = RateLimit(3, seconds)
    assert [limit.wait("a") for _ in range(3)] == [0, 0, 0]
    wait = limit.wait("a")
    assert 0 < wait <= 20
    assert limit.wait("b") == 0
    seconds.now += wait
    assert limit.wait("a") == 0
    assert limit.wait("a") > 0


@given(st.integers(1, 60), st.lists(st.floats(0, 30), min_size=1, max_size=200))
def test_never_more_than_twice_the_rate_in_a_minute(rate, pauses):
    seconds = Seconds()
    limit = RateLimit(rate, seconds)
    allowed = []
    for pause in pauses:
        seconds.now += pause
        if limit.wait("a") == 0:
            allowed.append(seconds.now)
    for end in allowed:
        assert len([at for at in allowed if end - 60 < at <= end]) <= 2 * rate


def test_who_asked_longest_ago_is_forgotten_first():
    seconds = Seconds()
    limit = RateLimit(1, seconds, most_keys=2)
    assert [limit.wait(key) for key in "abc"] == [0, 0, 0]
    assert limit.wait("c") > 0
    assert limit.wait("a") == 0


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("198.51.100.7", "", "198.51.100.7"),
        ("198.51.100.7", "203.0.113.9", "198.51.100.7"),  # not a proxy of ours: it may say what it likes
        ("10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "192.0.2.1, 203.0.113.9, 10.0.0.2", "203.0.113.9"),
        ("10.0.0.1", "192.0.2.1, nonsense", "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("2001:db8:1:2::5", "", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:aaaa::6", "", "2001:db8:1:2::/64"),
        ("::ffff:198.51.100.7", "", "198.51.100.7"),
        ("fd00::1", "2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("", "203.0.113.9", ""),
    ],
)
def test_who_asks(peer, forwarded, client):
    assert client_of(peer, forwarded, PROXIES) == client

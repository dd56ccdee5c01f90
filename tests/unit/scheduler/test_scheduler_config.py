"""Settings of the scheduler's calendar feeds."""

import pytest
from pydantic import ValidationError

from services.scheduler.config import SchedulerSettings

COMMON = {
    "listen_address": "127.0.0.1:7101",
    "database_url": "postgresql+asyncpg://app@db/kat",
    "tls_certificate": "a.pem",
    "tls_private_key": "a.key",
    "tls_authority": "ca.pem",
    "allowed_clients": "cli",
    "token_issuer": "https://issuer.invalid",
    "token_keys": "jwks.json",
    "service_token_file": "token",
    "dosing_log_address": "127.0.0.1:7102",
    "notifications_address": "127.0.0.1:7103",
}
WHOLE = {"calendar_base_url": "https://calendar.clinic.example", "calendar_secret_file": "calendar.key"}


def test_feeds_are_off_unless_they_are_set_up():
    settings = SchedulerSettings(**COMMON)
    assert (settings.calendar_addresses(), settings.calendar_certificate()) == (None, None)


def test_the_secret_comes_from_its_file(tmp_path):
    (tmp_path / "key").write_bytes(b"k" * 32)
    settings = SchedulerSettings(**COMMON, **{**WHOLE, "calendar_secret_file": tmp_path / "key"})
    assert settings.calendar_addresses() is not None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"calendar_secret_file": None}, "both or neither"),
        ({"calendar_base_url": ""}, "both or neither"),
        ({"calendar_base_url": "http://calendar.clinic.example"}, "must be https"),
        ({"calendar_base_url": "https://"}, "must be https"),
        ({"calendar_base_url": "https://calendar.clinic.example/?a=b"}, "must be https"),
        ({"calendar_base_url": "http://127.0.0.1.evil.example"}, "must be https"),
        ({"calendar_address": "nowhere"}, "calendar_address"),
        ({"calendar_tls_certificate": "a.pem"}, "both or neither"),
        ({"calendar_proxies": "10.0.0.0/8, nobody"}, "calendar_proxies"),
        ({"calendar_client_rate": 0}, "calendar_client_rate"),
    ],
)
def test_what_does_not_fit_together_is_said(changes, said):
    with pytest.raises(ValidationError) as fault:
        SchedulerSettings(**COMMON, **{**WHOLE, **changes})
    assert said in str(fault.value)


def test_listening_needs_addresses_to_give():
    with pytest.raises(ValidationError, match="calendar_address needs"):
        SchedulerSettings(**COMMON, calendar_address="127.0.0.1:7104")


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:7104", "http://localhost", "http://[::1]:80/", "https://a.example/b"]
)
def test_plain_http_is_for_this_machine(url):
    assert SchedulerSettings(**COMMON, **{**WHOLE, "calendar_base_url": url}).calendar_base_url == url


def test_proxies_are_a_list():
    settings = SchedulerSettings(**COMMON, **WHOLE, calendar_proxies="10.0.0.0/8, 192.0.2.1,")
    assert settings.calendar_proxies == {"10.0.0.0/8", "192.0.2.1"}

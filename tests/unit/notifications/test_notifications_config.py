"""Settings that keep messages neutral and connections safe."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from services.notifications.config import NotificationsSettings


def _settings(**changes: object) -> NotificationsSettings:
    values: dict[str, object] = {
        "listen_address": "127.0.0.1:7103",
        "database_url": "postgresql+asyncpg://somewhere",
        **{f"tls_{part}": Path("x") for part in ("certificate", "private_key", "authority")},
        "allowed_clients": "scheduler",
        "token_issuer": "https://issuer.example",
        "token_keys": "keys.json",
        "service_token_file": Path("token"),
        "contact_key_file": Path("key"),
        "smtp_host": "127.0.0.1",
        "smtp_port": 25,
        **changes,
    }
    return NotificationsSettings(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "insists"),
    [
        ({"smtp_host": "127.0.0.1"}, False),
        ({"smtp_host": "localhost"}, False),
        ({"smtp_host": "mail.example.org"}, True),
        ({"smtp_host": "10.0.0.5"}, True),
        ({"smtp_host": "mail.example.org", "smtp_start_tls": False}, False),
        ({"smtp_host": "localhost", "smtp_start_tls": True}, True),
    ],
)
def test_messages_leave_the_machine_encrypted_unless_told_otherwise(changes, insists):
    assert _settings(**changes).insists_on_tls is insists


@pytest.mark.parametrize(
    "changes",
    [
        {"mail_from_name": "Ketamine Clinic"},
        {"mail_from_address": "therapy@example.org"},
        {"mail_from_address": "nobody"},
        {"smtp_username": "kat"},
        {"smtp_password_file": Path("password")},
    ],
)
def test_a_sender_that_tells_too_much_or_half_an_account_is_refused(changes):
    with pytest.raises(ValidationError):
        _settings(**changes)


def test_a_password_is_read_from_its_file(tmp_path):
    file = tmp_path / "password"
    file.write_text("secret\n", encoding="utf-8")
    settings = _settings(smtp_username="kat", smtp_password_file=file)
    assert settings.smtp_password() == "secret"
    assert "secret" not in repr(settings)
    assert _settings().smtp_password() is None

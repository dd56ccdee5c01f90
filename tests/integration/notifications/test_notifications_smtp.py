"""The way to a provider that asks for encryption and an account."""

import ssl
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiosmtpd.smtp import AuthResult

from services.notifications.domain.delivery import SendOutcome, Verdict
from services.notifications.mail.smtp import SmtpMailer, SmtpSettings
from services.notifications.ports import Envelope
from services.runtime.clock import SystemClock
from services.runtime.embedded_authority import EmbeddedAuthority
from tests.integration.notifications.smtp_servers import Provider

ENVELOPE = Envelope("nora@example.org", b"Subject: Hello\r\n\r\nText\r\n")


async def _yes() -> bool:
    return True


def _authenticate(_server: Any, _session: Any, _envelope: Any, _mechanism: str, given: Any) -> AuthResult:
    right = (given.login, given.password) == (b"kat", b"right")
    return AuthResult(success=right, handled=right)


@pytest.fixture
async def strict_provider(tmp_path) -> AsyncIterator[tuple[int, ssl.SSLContext]]:
    """A port that takes messages over TLS from one account alone, and the context that trusts it."""
    files = EmbeddedAuthority(tmp_path / "authority", SystemClock()).certificate("mail")
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(files.certificate, files.private_key)
    client = ssl.create_default_context(cafile=str(files.authority))
    options = {"tls_context": server, "require_starttls": True, "auth_required": True, "authenticator": _authenticate}
    async with Provider().running(**options) as port:
        yield port, client


def _mailer(port: int, context: ssl.SSLContext | None, password: str, *, start_tls: bool = True) -> SmtpMailer:
    return SmtpMailer(
        SmtpSettings(
            host="127.0.0.1",
            port=port,
            sender="appointments@mail.invalid",
            start_tls=start_tls,
            seconds=5,
            username="kat",
            password=password,
            tls_context=context,
        )
    )


async def test_an_account_sends_over_an_encrypted_connection(strict_provider):
    port, context = strict_provider
    outcome = await _mailer(port, context, "right").send(ENVELOPE, last_check=_yes)
    assert outcome == SendOutcome(Verdict.ACCEPTED, "SMTP_250")


async def test_a_wrong_password_keeps_the_message(strict_provider):
    port, context = strict_provider
    outcome = await _mailer(port, context, "wrong").send(ENVELOPE, last_check=_yes)
    assert outcome == SendOutcome(Verdict.UNAVAILABLE, "SMTP_AUTHENTICATION")


async def test_a_certificate_that_is_not_trusted_keeps_the_message(strict_provider):
    port, _ = strict_provider
    outcome = await _mailer(port, None, "right").send(ENVELOPE, last_check=_yes)
    assert outcome.verdict is Verdict.UNAVAILABLE


async def test_a_server_without_encryption_gets_nothing_where_it_is_insisted_on(provider):
    outcome = await _mailer(provider.port, None, "right").send(ENVELOPE, last_check=_yes)
    assert outcome.verdict is Verdict.UNAVAILABLE
    assert provider.received == []

"""E-mail over SMTP, with an answer for every way in which it can end."""

import asyncio
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from aiosmtplib import SMTP, SMTPAuthenticationError, SMTPException, SMTPRecipientRefused, SMTPResponseException

from services.notifications.domain.delivery import SendOutcome, Verdict
from services.notifications.ports import Envelope, LastCheck

_PERMANENT: Final = 500
_QUIT_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpSettings:
    """Where the provider is, and how we prove who we are.

    Attributes:
        start_tls: True to insist on encryption, False for a sink on the same machine.
        seconds: the longest that the provider may take to be ready, and again to take the message.
    """

    host: str
    port: int
    sender: str
    start_tls: bool
    seconds: float
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls_context: ssl.SSLContext | None = None


class SmtpMailer:
    """Hands one message after another to one SMTP server, each over a connection of its own."""

    def __init__(self, settings: SmtpSettings) -> None:
        self._settings = settings

    async def send(self, envelope: Envelope, *, last_check: LastCheck) -> SendOutcome:
        """Hand a message over; `last_check` is asked when the server is ready to take it."""
        client = self._client()
        try:
            not_ready = await self._address(client, envelope.to)
            if not_ready is not None:
                return not_ready
            if not await last_check():
                return SendOutcome(Verdict.WITHHELD, "WITHHELD")
            return await self._write(client, envelope.content)
        finally:
            await _leave(client)

    def _client(self) -> SMTP:
        settings = self._settings
        return SMTP(
            hostname=settings.host,
            port=settings.port,
            username=settings.username,
            password=settings.password,
            start_tls=settings.start_tls,
            tls_context=settings.tls_context,
            timeout=settings.seconds,
            local_hostname="localhost",  # the machine's name is nobody's business, and looking it up can block
        )

    async def _address(self, client: SMTP, to: str) -> SendOutcome | None:
        """Bring the server to where it expects the message; return why it does not, if so."""
        try:
            async with asyncio.timeout(self._settings.seconds):
                await client.connect()
                await client.mail(self._settings.sender)
                await client.rcpt(to)
        except SMTPRecipientRefused as error:
            return _refusal(error)
        except (SMTPException, OSError) as error:
            # Nothing is known against the message: the server is away, or refuses us.
            return SendOutcome(Verdict.UNAVAILABLE, _code(error))
        return None

    async def _write(self, client: SMTP, content: bytes) -> SendOutcome:
        try:
            async with asyncio.timeout(self._settings.seconds):
                response = await client.data(content)
        except SMTPResponseException as error:
            return _refusal(error)
        except (SMTPException, OSError):
            return SendOutcome(Verdict.UNKNOWN, "ANSWER_LOST")
        return SendOutcome(Verdict.ACCEPTED, f"SMTP_{response.code}")


def _refusal(error: SMTPResponseException) -> SendOutcome:
    verdict = Verdict.REFUSED if error.code >= _PERMANENT else Verdict.NOT_NOW
    return SendOutcome(verdict, f"SMTP_{error.code}")


def _code(error: Exception) -> str:
    if isinstance(error, SMTPAuthenticationError):
        return "SMTP_AUTHENTICATION"
    return f"SMTP_{error.code}" if isinstance(error, SMTPResponseException) else "NOT_CONNECTED"


async def _leave(client: SMTP) -> None:
    with suppress(SMTPException, OSError, asyncio.TimeoutError):
        if client.is_connected:
            await client.quit(timeout=_QUIT_SECONDS)
    client.close()

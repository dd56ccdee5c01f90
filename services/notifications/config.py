"""Settings of the notifications service, from KAT_NOTIFICATIONS_… variables."""

from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic_settings import SettingsConfigDict

from services.notifications.domain.blocked_terms import blocked_terms
from services.runtime.config import ServiceSettings


class NotificationsSettings(ServiceSettings):
    """Settings of the notifications service."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, env_prefix="KAT_NOTIFICATIONS_"
    )

    # 32 random bytes that contact data is encrypted with. Without this file contact data is lost for ever.
    contact_key_file: Path
    # The SMTP server that takes e-mail.
    smtp_host: str
    smtp_port: Annotated[int, Field(ge=1, le=65_535)]
    # Whether to insist on STARTTLS. Not set: everywhere but on this machine.
    smtp_start_tls: bool | None = None
    # The account at the SMTP server, and a file that holds its password; none where it asks for none.
    smtp_username: str = ""
    smtp_password_file: Path | None = None
    # The longest that the SMTP server may take to be ready, and again to take a message.
    smtp_seconds: Annotated[float, Field(gt=0, le=20)] = 10
    # What patients see as the sender, and their calendars as the organizer. Neutral: no clinic, no specialty.
    mail_from_name: Annotated[str, Field(min_length=1, max_length=40)] = "Appointments"
    mail_from_address: Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")] = "appointments@mail.invalid"
    # How often to look for what is due, how much to take at a time, and how many to send at once: they bound the rate.
    send_every_seconds: Annotated[float, Field(gt=0)] = 1
    send_batch: Annotated[int, Field(ge=1)] = 50
    send_concurrency: Annotated[int, Field(ge=1)] = 6
    # Messages that are moved by quiet hours are spread over so many minutes, so that not all go out at 08:00.
    spread_minutes: Annotated[float, Field(ge=0, le=60)] = 15
    # Most e-mails to one person within 24 hours: a guard against faults elsewhere.
    daily_cap: Annotated[int, Field(ge=1)] = 40

    @model_validator(mode="after")
    def _is_neutral(self) -> Self:
        for name in ("mail_from_name", "mail_from_address"):
            if blocked_terms(getattr(self, name)):
                raise ValueError(f"{name} must not tell what patients come for")
        if bool(self.smtp_username) != bool(self.smtp_password_file):
            raise ValueError("set smtp_username and smtp_password_file, both or neither")
        return self

    @property
    def send_lease(self) -> timedelta:
        """How long a replica may take to send one message: three times the longest that it should.

        A conversation has about three long waits; who is killed in it leaves the message alone for so long.
        """
        return timedelta(seconds=9 * self.smtp_seconds)

    @property
    def insists_on_tls(self) -> bool:
        """Whether messages leave over an encrypted connection alone."""
        if self.smtp_start_tls is not None:
            return self.smtp_start_tls
        return not _is_this_machine(self.smtp_host)

    def smtp_password(self) -> str | None:
        """Return the password of the SMTP account.

        Raises:
            OSError: its file cannot be read.
        """
        return self.smtp_password_file.read_text(encoding="utf-8").strip() if self.smtp_password_file else None


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

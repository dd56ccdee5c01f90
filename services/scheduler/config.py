"""Settings of the scheduler."""

import re
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from services.runtime.config import Address, ServiceSettings
from services.scheduler.domain.calendar_feed import FeedAddresses
from services.scheduler.domain.policy import SchedulingPolicy

_BASE_URL = re.compile(r"https://[^/\s?#]+(/[^\s?#]*)?|http://(127\.\d+\.\d+\.\d+|localhost|\[::1\])(:\d+)?/?")


class SchedulerSettings(ServiceSettings):
    """Settings of the scheduler, from KAT_SCHEDULER_<FIELD>."""

    model_config = SettingsConfigDict(env_prefix="KAT_SCHEDULER_")

    # Where events go: the dose log and the notifications service, "host:port" each.
    dosing_log_address: Address
    notifications_address: Address
    # Seconds between looks for events to send.
    relay_seconds: Annotated[float, Field(gt=0)] = 0.5
    # Minutes that a held slot is kept, that an offer to a patient who waits stays open at most, and after a session's
    # start until a patient who did not come counts as a no-show. Project defaults.
    hold_minutes: Annotated[int, Field(ge=1, le=120)] = 10
    offer_minutes: Annotated[int, Field(ge=5, le=2_880)] = 240
    no_show_minutes: Annotated[int, Field(ge=0, le=1_440)] = 60
    # Seconds between looks for holds and offers to end, no-shows and slots to offer.
    upkeep_seconds: Annotated[float, Field(gt=0)] = 3

    # Seconds between looks for changes of sessions, for those who watch them.
    watch_seconds: Annotated[float, Field(gt=0)] = 1.0
    # Seconds after which a watcher to whom nothing was told is told that its stream lives.
    watch_heartbeat_seconds: Annotated[float, Field(gt=0)] = 15.0
    # Watchers at once; more are refused with RESOURCE_EXHAUSTED. Each counts against maximum_concurrent_rpcs for as
    # long as it watches: keep this well below that.
    maximum_watchers: Annotated[int, Field(ge=1)] = 100
    # Days for which changes are kept: how long a watcher may be away and be told what it missed.
    watch_days: Annotated[float, Field(gt=0)] = 7.0

    # Calendar feeds: what their addresses begin with, such as "https://calendar.clinic.example", and a file of 32
    # random bytes that their secret part is derived from. Without both no feed can be made.
    calendar_base_url: str = ""
    calendar_secret_file: Path | None = None
    # Where calendar programs reach this process, "host:port"; nowhere when empty. Plain HTTP unless a certificate and
    # its private key are named (PEM files), which is for this machine or behind a proxy that speaks TLS.
    calendar_address: Address | Literal[""] = ""
    calendar_tls_certificate: Path | None = None
    calendar_tls_private_key: Path | None = None
    # Networks of the proxies before it, separated by commas: their X-Forwarded-For says who asks.
    calendar_proxies: Annotated[frozenset[str], NoDecode] = frozenset()
    # How often one client, and one feed, may be asked for in a minute, in each replica.
    calendar_client_rate: Annotated[int, Field(ge=1)] = 120
    calendar_feed_rate: Annotated[int, Field(ge=1)] = 30

    def policy(self) -> SchedulingPolicy:
        """Return how long things may wait."""
        return SchedulingPolicy(
            hold=timedelta(minutes=self.hold_minutes),
            offer=timedelta(minutes=self.offer_minutes),
            no_show_grace=timedelta(minutes=self.no_show_minutes),
        )

    @field_validator("calendar_proxies", mode="before")
    @classmethod
    def _split_proxies(cls, value: object) -> object:
        if isinstance(value, str):
            value = frozenset(part.strip() for part in value.split(",") if part.strip())
        for network in value if isinstance(value, frozenset) else ():
            ip_network(network)
        return value

    @model_validator(mode="after")
    def _has_whole_calendar(self) -> Self:
        if bool(self.calendar_base_url) != bool(self.calendar_secret_file):
            raise ValueError("set calendar_base_url and calendar_secret_file, both or neither")
        if self.calendar_base_url and not _BASE_URL.fullmatch(self.calendar_base_url):
            raise ValueError("calendar_base_url must be https, or http on this machine, without a query")
        if self.calendar_address and not self.calendar_base_url:
            raise ValueError("calendar_address needs calendar_base_url and calendar_secret_file")
        if bool(self.calendar_tls_certificate) != bool(self.calendar_tls_private_key):
            raise ValueError("set calendar_tls_certificate and calendar_tls_private_key, both or neither")
        return self

    def calendar_addresses(self) -> FeedAddresses | None:
        """Return what knows the addresses of calendar feeds; None where they are not set up.

        Raises:
            OSError: the secret's file cannot be read.
            ValueError: it does not hold 32 bytes.
        """
        if self.calendar_secret_file is None:
            return None
        return FeedAddresses(self.calendar_base_url, self.calendar_secret_file.read_bytes())

    def calendar_certificate(self) -> tuple[Path, Path] | None:
        """Return the files of certificate and private key of the calendar door; None for plain HTTP."""
        if self.calendar_tls_certificate is None or self.calendar_tls_private_key is None:
            return None
        return self.calendar_tls_certificate, self.calendar_tls_private_key

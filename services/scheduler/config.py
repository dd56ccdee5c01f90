"""Settings of the scheduler."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.runtime.config import Address, ServiceSettings
from services.scheduler.domain.policy import SchedulingPolicy


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
    upkeep_seconds: Annotated[float, Field(gt=0)] = 2

    def policy(self) -> SchedulingPolicy:
        """Return how long things may wait."""
        return SchedulingPolicy(
            hold=timedelta(minutes=self.hold_minutes),
            offer=timedelta(minutes=self.offer_minutes),
            no_show_grace=timedelta(minutes=self.no_show_minutes),
        )

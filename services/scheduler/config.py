"""Settings of the scheduler."""

from typing import Annotated

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.runtime.config import Address, ServiceSettings


class SchedulerSettings(ServiceSettings):
    """Settings of the scheduler, from KAT_SCHEDULER_<FIELD>."""

    model_config = SettingsConfigDict(env_prefix="KAT_SCHEDULER_")

    # Where events go: the dose log and the notifications service, "host:port" each.
    dosing_log_address: Address
    notifications_address: Address
    # Seconds between looks for events to send.
    relay_seconds: Annotated[float, Field(gt=0)] = 0.5

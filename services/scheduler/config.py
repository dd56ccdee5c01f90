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
    # Seconds between looks for changes of sessions, for those who watch them.
    watch_seconds: Annotated[float, Field(gt=0)] = 1.0
    # Seconds after which a watcher to whom nothing was told is told that its stream lives.
    watch_heartbeat_seconds: Annotated[float, Field(gt=0)] = 15.0
    # Watchers at once; more are refused with RESOURCE_EXHAUSTED. Each counts against maximum_concurrent_rpcs for as
    # long as it watches: keep this well below that.
    maximum_watchers: Annotated[int, Field(ge=1)] = 100
    # Days for which changes are kept: how long a watcher may be away and be told what it missed.
    watch_days: Annotated[float, Field(gt=0)] = 7.0

"""How a service's program starts: settings first, all their faults at once, then logs, then its own wiring."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import TypeVar

from pydantic import ValidationError

from services.runtime.config import ServiceSettings
from services.runtime.logs import configure_logs

Settings = TypeVar("Settings", bound=ServiceSettings)

CONFIGURATION_FAULT = 78  # EX_CONFIG of sysexits.h


def start(service: str, settings_class: type[Settings], serve: Callable[[Settings], Awaitable[None]]) -> None:
    """Read the settings from the environment and serve; with `--check-config` only say whether they are right."""
    try:
        settings = settings_class()
    except ValidationError as error:
        prefix = str(settings_class.model_config.get("env_prefix", ""))
        for fault in error.errors(include_input=False, include_url=False):
            name = "_".join(str(part) for part in fault["loc"]).upper() or "SETTINGS"
            sys.stderr.write(f"{prefix}{name}: {fault['msg']}\n")
        raise SystemExit(CONFIGURATION_FAULT) from None
    if "--check-config" in sys.argv[1:]:
        sys.stdout.write(f"The settings of {service} are right.\n")
        return
    configure_logs(service, level=settings.log_level)
    asyncio.run(_run(serve, settings))


async def _run(serve: Callable[[Settings], Awaitable[None]], settings: Settings) -> None:
    await serve(settings)

"""`kat up`, `serve`, `migrate`, `check-config`: starting things."""

import asyncio
import runpy
import signal
import subprocess
import sys
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from services.cli.commands.output import OUT, ExitCode, fail
from services.cli.data_folder import SERVICES, DataFolder, default_data_folder
from services.cli.suite import RunningSuite, SuiteError, running_suite
from services.runtime.embedded_postgres import EmbeddedPostgresError
from services.runtime.logs import configure_logs
from services.runtime.migrations import migrate_blocking

Service = Enum("Service", {name: name for name in SERVICES}, type=str)  # type: ignore[misc]  # the names are data

DataOption = Annotated[
    Path, typer.Option("--data", help="Folder of all state.", envvar="KAT_DATA", default_factory=default_data_folder)
]


def up(data: DataOption, *, movable_clock: Annotated[bool, typer.Option(hidden=True)] = False) -> None:
    """Start everything on this machine and keep it running until Ctrl-C."""
    configure_logs("kat", level="WARNING")
    try:
        asyncio.run(_up(DataFolder(data.absolute()), movable_clock=movable_clock))
    except (SuiteError, EmbeddedPostgresError) as error:
        fail(str(error))


async def _up(data: DataFolder, *, movable_clock: bool) -> None:
    stop = stop_on_signals()
    async with running_suite(data, movable_clock=movable_clock) as suite:
        print_addresses(suite)
        OUT.print("Ready. Ctrl-C ends it.")
        await stop.wait()
        OUT.print("Ending …")


def stop_on_signals() -> asyncio.Event:
    """Return an event that SIGINT and SIGTERM set."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


def print_addresses(suite: RunningSuite) -> None:
    """Print where each part listens."""
    for name, address in suite.addresses.items():
        OUT.print(f"  {name:<14} {address}", markup=False)
    OUT.print(f"  {'state':<14} {suite.data.root}", markup=False, soft_wrap=True)


def serve(service: Service) -> None:
    """Serve one service with the settings in its KAT_<SERVICE>_… environment variables."""
    sys.argv = [f"kat serve {service.value}"]
    runpy.run_module(f"services.{service.value}", run_name="__main__")


def check_config(service: Service) -> None:
    """Say whether a service's environment variables are right, every fault at once."""
    command = [sys.executable, "-m", f"services.{service.value}", "--check-config"]
    raise typer.Exit(subprocess.run(command, check=False).returncode)  # noqa: S603 - our own interpreter and module


def migrate(
    service: Service,
    *,
    owner_url: Annotated[
        str,
        typer.Option(
            envvar="KAT_OWNER_DATABASE_URL",
            help="SQLAlchemy URL of the database's owner role; better in the environment than on the command line.",
        ),
    ] = "",
    owner_url_file: Annotated[Path | None, typer.Option(help="A file that holds that URL.", exists=True)] = None,
    app_role: Annotated[str, typer.Option(help="The restricted role that the service runs as.")] = "",
) -> None:
    """Bring a service's database to the schema of this release."""
    url = owner_url_file.read_text(encoding="utf-8").strip() if owner_url_file else owner_url
    if not url:
        fail("Give --owner-url-file, or set KAT_OWNER_DATABASE_URL", ExitCode.USAGE)
    try:
        revision = migrate_blocking(service.value, url, app_role or f"kat_{service.value}_app")
    except OSError as error:
        fail(f"The database does not answer: {error.strerror or type(error).__name__}", ExitCode.AWAY)
    OUT.print(f"{service.value} is at {revision}")

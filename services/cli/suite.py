"""The whole suite on one machine: PostgreSQL, the three services and a local mail sink, started and ended in order."""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import structlog
from sqlalchemy import make_url

from services.cli.clients import channels, issue_token, wait_until_serving
from services.cli.data_folder import DEFAULT_PORTS, SERVICES, DataFolder
from services.cli.processes import Child
from services.runtime.clock import SystemClock
from services.runtime.embedded_authority import CertificateFiles, EmbeddedAuthority
from services.runtime.embedded_files import private_folder, write_private
from services.runtime.embedded_issuer import AUDIENCE, ISSUER, EmbeddedIssuer
from services.runtime.embedded_postgres import (
    EmbeddedPostgres,
    EmbeddedPostgresError,
    provision_service_database,
)
from services.runtime.migrations import migrate

START_SECONDS = 60.0
_TOKEN_LIFETIME = timedelta(hours=1)
_TOKEN_RENEWAL_SECONDS = 15 * 60
_DATABASE_LOOK_SECONDS = 0.25
_DATABASE_RETRY_SECONDS = 5.0
_LOG = structlog.get_logger()


class SuiteError(Exception):
    """The suite could not be started; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class RunningSuite:
    """A suite that serves, and where each part listens."""

    data: DataFolder
    addresses: Mapping[str, str]


@asynccontextmanager
async def running_suite(data: DataFolder, *, movable_clock: bool = False) -> AsyncIterator[RunningSuite]:
    """Start everything on a data folder, serve while the block runs, and end everything.

    Args:
        data: where all state is kept; a second start finds it.
        movable_clock: the services' clock may be moved, for a demonstration; never for real patients.

    Raises:
        SuiteError: a part did not start.
        EmbeddedPostgresError: PostgreSQL did not start, or another suite holds the folder.
    """
    data.make()
    async with AsyncExitStack() as stack:
        # In the main thread: PostgreSQL ends with the thread that started it.
        server = stack.enter_context(EmbeddedPostgres(data.root))
        await prepare_databases(data, server.superuser_url())
        addresses, sockets = reserve_addresses()
        for held in sockets:
            stack.callback(held.close)
        _write_service_tokens(data)
        for upkeep in (_renew_service_tokens(data), _keep_database(server)):
            stack.callback(asyncio.create_task(upkeep).cancel)
        children = _children(data, addresses, movable_clock=movable_clock)
        for child in children.values():
            stack.push_async_callback(child.stop)
        await asyncio.gather(*(child.start() for child in children.values()))
        data.write_addresses(addresses)
        await _wait_for_all(data)
        yield RunningSuite(data, addresses)


async def prepare_databases(data: DataFolder, superuser_url: str) -> None:
    """Make each service's database and roles where absent, bring it to its newest schema, and note its URL."""

    async def prepare(service: str) -> None:
        database = await provision_service_database(superuser_url, service, data.secrets)
        await migrate(service, database.owner_url, str(make_url(database.app_url).username))
        write_private(data.secrets / f"{service}.database_url", database.app_url.encode())

    for service in SERVICES:
        await prepare(service)


def reserve_addresses() -> tuple[dict[str, str], list[socket.socket]]:
    """Reserve an address on this machine for each part: its usual port, or a free one where that is taken.

    Returns:
        The addresses, and the sockets that hold them until they are closed: nobody else can take the port of a
        service that is being started again.

    Raises:
        SuiteError: no port is free.
    """
    sockets = {name: _held(usual) or _held(0) for name, usual in DEFAULT_PORTS.items()}
    held = {name: found for name, found in sockets.items() if found is not None}
    if len(held) < len(sockets):
        raise SuiteError("No free port on 127.0.0.1; end something that listens, and start again")
    return {name: f"127.0.0.1:{found.getsockname()[1]}" for name, found in held.items()}, list(held.values())


def _held(port: int) -> socket.socket | None:
    holder = socket.socket()
    try:
        holder.bind(("127.0.0.1", port))
    except OSError:
        holder.close()
        return None
    # Shared after it was bound alone: our own children may listen on the port, and nobody else has it.
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    return holder


def _write_service_tokens(data: DataFolder) -> None:
    for service in SERVICES:
        token = issue_token(
            data, subject=service, roles=["service"], name=service, organization="*", lifetime=_TOKEN_LIFETIME
        )
        write_private(data.service_token(service), token.encode())


async def _renew_service_tokens(data: DataFolder) -> None:
    while True:
        await asyncio.sleep(_TOKEN_RENEWAL_SECONDS)
        _write_service_tokens(data)


async def _keep_database(server: EmbeddedPostgres) -> None:
    """Start the database again when it was killed; the services find it again by themselves."""
    while True:
        await asyncio.sleep(_DATABASE_LOOK_SECONDS)
        if not server.runs:
            _LOG.warning("process_ended", job="postgres")
            # In this thread, the main one, since the server ends with the thread that started it.
            server.stop()
            try:
                server.start()
            except EmbeddedPostgresError:  # such as a full disk: it is tried again, and no service is ready meanwhile
                _LOG.error("database_not_started", exc_info=True)
                await asyncio.sleep(_DATABASE_RETRY_SECONDS)


def _children(data: DataFolder, addresses: Mapping[str, str], *, movable_clock: bool) -> dict[str, Child]:
    authority = EmbeddedAuthority(data.authority, SystemClock())
    keys = EmbeddedIssuer(data.issuer, SystemClock()).jwks_file
    children = {
        "mail_sink": Child(
            "mail_sink",
            ["-m", "services.notifications.mail_sink", "--port", _port(addresses["mail_sink"]), *_mail_folder(data)],
            {},
            data.logs / "mail_sink.log",
        )
    }
    for service in SERVICES:
        environment = _common_environment(data, service, addresses[service], authority.certificate(service))
        environment["TOKEN_KEYS"] = str(keys)
        if movable_clock:
            environment["CLOCK_OFFSET_FILE"] = str(data.clock_offset)
        environment |= _own_environment(data, service, addresses)
        prefix = f"KAT_{service.upper()}_"
        children[service] = Child(
            service,
            ["-m", f"services.{service}"],
            {prefix + name: value for name, value in environment.items()},
            data.logs / f"{service}.log",
        )
    return children


def _common_environment(data: DataFolder, service: str, address: str, files: CertificateFiles) -> dict[str, str]:
    return {
        "LISTEN_ADDRESS": address,
        "DATABASE_URL_FILE": str(data.secrets / f"{service}.database_url"),
        "TLS_CERTIFICATE": str(files.certificate),
        "TLS_PRIVATE_KEY": str(files.private_key),
        "TLS_AUTHORITY": str(files.authority),
        "ALLOWED_CLIENTS": ",".join((*SERVICES, "cli", "console", "clinic_system")),
        "TOKEN_ISSUER": ISSUER,
        "TOKEN_AUDIENCE": AUDIENCE,
        "SERVICE_TOKEN_FILE": str(data.service_token(service)),
    }


def _own_environment(data: DataFolder, service: str, addresses: Mapping[str, str]) -> dict[str, str]:
    """Return the settings that one service alone has."""
    match service:
        case "scheduler":
            return {
                "DOSING_LOG_ADDRESS": addresses["dosing_log"],
                "NOTIFICATIONS_ADDRESS": addresses["notifications"],
                # Plain: it is on this machine alone, and calendar programs do not know our own authority.
                "CALENDAR_ADDRESS": addresses["calendar"],
                "CALENDAR_BASE_URL": f"http://{addresses['calendar']}",
                "CALENDAR_SECRET_FILE": str(data.secret("calendar.key")),
            }
        case "dosing_log":
            return {
                "SCHEDULER_ADDRESS": addresses["scheduler"],
                "NOTIFICATIONS_ADDRESS": addresses["notifications"],
                "LEDGER_KEY_FILE": str(data.secret("ledger.key")),
            }
        case _:
            host, _, port = addresses["mail_sink"].rpartition(":")
            return {
                "CONTACT_KEY_FILE": str(data.secret("contact.key")),
                "SMTP_HOST": host,
                "SMTP_PORT": port,
                # The sink is on this machine: who waits longer for it waits for a process that was killed.
                "SMTP_SECONDS": "1",
            }


def _mail_folder(data: DataFolder) -> tuple[str, str]:
    return "--folder", str(private_folder(data.mail))


def _port(address: str) -> str:
    return address.rpartition(":")[2]


async def _wait_for_all(data: DataFolder) -> None:
    async with channels(data) as opened:
        served = await asyncio.gather(
            *(wait_until_serving(channel, within_seconds=START_SECONDS) for channel in opened.values())
        )
    late = [name for name, serves in zip(opened, served, strict=True) if not serves]
    if late:
        logs = ", ".join(str(data.logs / f"{name}.log") for name in late)
        raise SuiteError(f"{' and '.join(late)} did not start; read {logs}")

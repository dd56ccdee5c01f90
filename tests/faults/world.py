"""The suite under faults: two clinics, their people, and a look at the databases past the services."""

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime, time, timedelta
from typing import Any, Self
from zoneinfo import ZoneInfo

import asyncpg
from sqlalchemy import make_url

from kat.scheduler.v1 import roster_pb2
from services.cli.clients import channels
from services.cli.commands.output import OUT
from services.cli.demo.account import Account
from services.cli.demo.booking import enroll
from services.cli.demo.cast import Cast, gather
from services.cli.demo.stage import Stage
from services.runtime.clock import SystemClock
from services.runtime.embedded_postgres import EmbeddedPostgres
from tests.support.suite import SuiteProcess

PAGE = 1_000
RECOVERY_SECONDS = 30.0


class World:
    """A running suite with both shipped rosters, where every patient has an active course.

    Attributes:
        stage: how it is called; another one after the suite was started again.
    """

    stage: Stage
    cast: Cast

    def __init__(self, suite: SuiteProcess) -> None:
        self.suite = suite
        self.rooms: list[roster_pb2.Room] = []
        self.courses: list[str] = []
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self.suite.start()
        await self.reopen()
        self.stage.move_to(_working_hours())
        account = Account(ZoneInfo("UTC"))
        with OUT.capture():
            self.cast = await gather(self.stage, account)
        self.everybody = self.stage.person(
            "checker", "Checker", "clinic_system", "supervisor", "pharmacist", "auditor", "clinician"
        )
        roster, reader = self.stage.roster, self.everybody
        self.rooms = list((await self.read(roster.ListRooms, roster_pb2.ListRoomsRequest(page_size=PAGE))).rooms)
        patients = await self.stage.call(roster.ListPatients, roster_pb2.ListPatientsRequest(page_size=PAGE), reader)
        with OUT.capture():
            for patient in patients.patients:
                self.courses.append((await enroll(self.stage, account, self.cast, patient, "patient")).name)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()
        self.suite.stop()

    async def reopen(self) -> None:
        """Open channels to where the suite listens now; calls under way on the old ones come to their own end."""
        opened = await self._stack.enter_async_context(channels(self.suite.data))
        self.stage = Stage(self.suite.data, opened)

    async def read(self, method: Any, request: Any) -> Any:
        """Read as somebody who may read everything; waits for a service that is away."""
        return await self.stage.call(method, request, self.everybody)

    async def query(self, service: str, statement: str, *values: object) -> list[Any]:
        """Ask a service's database as its superuser, past the service; waits while it recovers."""
        url = EmbeddedPostgres(self.suite.data.root).superuser_url(f"kat_{service}")
        plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        deadline = asyncio.get_running_loop().time() + RECOVERY_SECONDS
        while True:
            try:
                connection = await asyncpg.connect(plain)
                try:
                    return list(await connection.fetch(statement, *values))
                finally:
                    await connection.close()
            except (asyncpg.PostgresConnectionError, asyncpg.OperatorInterventionError, OSError):
                if asyncio.get_running_loop().time() > deadline:
                    raise
                await asyncio.sleep(0.1)


def _working_hours() -> datetime:
    """Next Tuesday, noon in New York and nine in Los Angeles: messages go out at once."""
    day = SystemClock().now().date() + timedelta(days=1)
    while day.isoweekday() != 2:
        day += timedelta(days=1)
    return datetime.combine(day, time(17), tzinfo=UTC)

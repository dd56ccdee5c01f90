"""Closures and exceptions of shifts in PostgreSQL."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scheduler.domain.availability import Closure, ShiftException
from services.scheduler.ports.paging import Listing, Page
from services.scheduler.storage import availability_rows as rows
from services.scheduler.storage import tables
from services.scheduler.storage.statements import listing, one
from services.scheduler.storage.tables import table_of

_CLINIC = table_of(tables.Clinic)
_CLOSURE = table_of(tables.Closure)
_EXCEPTION = table_of(tables.ShiftException)

_CLOSURES = select(_CLOSURE, _CLINIC.c.time_zone).join_from(
    _CLOSURE, _CLINIC, _CLOSURE.c.clinic_id == _CLINIC.c.clinic_id
)
_EXTRA_ELSEWHERE = text(
    """
    select e.* from shift_exception e
    where e.practitioner_id = :practitioner_id and e.kind = 'extra' and e.end_time > :now and exists (
        select from clinic c, generate_series((e.start_time at time zone c.time_zone)::date,
                                              (e.end_time at time zone c.time_zone)::date, '1 day') as d (day)
        where c.clinic_id <> e.clinic_id
          and on_shift(e.organization_id, e.practitioner_id, c.clinic_id, d.day::date)
              && (on_shift(e.organization_id, e.practitioner_id, e.clinic_id, d.day::date)
                  * tstzmultirange(tstzrange(e.start_time, e.end_time))))
    order by e.start_time limit 1
    """
)


class PostgresAvailability:
    """`Availability` on one connection of one organization."""

    def __init__(self, connection: AsyncConnection, organization_id: UUID) -> None:
        self._connection = connection
        self._organization_id = organization_id

    async def closure(self, closure_id: UUID) -> Closure:
        """See the port."""
        statement = _CLOSURES.where(_CLOSURE.c.closure_id == closure_id)
        return rows.closure(await one(self._connection, statement, "closures", closure_id))

    async def closures(
        self, page: Page, *, clinic_id: UUID | None = None, ends_after: datetime | None = None
    ) -> Listing[Closure]:
        """See the port."""
        statement = _CLOSURES
        if clinic_id is not None:
            statement = statement.where(_CLOSURE.c.clinic_id == clinic_id)
        if ends_after is not None:
            statement = statement.where(_CLOSURE.c.end_time > ends_after)
        key = (_CLOSURE.c.start_time, _CLOSURE.c.closure_id)
        return await listing(self._connection, statement, key, page, rows.closure)

    async def add_closure(self, closure: Closure) -> None:
        """See the port."""
        statement = insert(_CLOSURE).values(
            organization_id=self._organization_id,
            closure_id=closure.closure_id,
            clinic_id=closure.clinic_id,
            room_id=closure.room_id,
            start_time=closure.interval.start,
            end_time=closure.interval.end,
            reason=closure.reason,
            create_time=closure.create_time,
        )
        await self._connection.execute(statement)

    async def delete_closure(self, closure_id: UUID) -> None:
        """See the port."""
        await self._connection.execute(delete(_CLOSURE).where(_CLOSURE.c.closure_id == closure_id))

    async def exception(self, exception_id: UUID) -> ShiftException:
        """See the port."""
        statement = select(_EXCEPTION).where(_EXCEPTION.c.shift_exception_id == exception_id)
        return rows.shift_exception(await one(self._connection, statement, "shiftExceptions", exception_id))

    async def exceptions(
        self,
        page: Page,
        *,
        practitioner_id: UUID | None = None,
        clinic_id: UUID | None = None,
        ends_after: datetime | None = None,
    ) -> Listing[ShiftException]:
        """See the port."""
        statement = select(_EXCEPTION)
        if practitioner_id is not None:
            statement = statement.where(_EXCEPTION.c.practitioner_id == practitioner_id)
        if clinic_id is not None:
            statement = statement.where((_EXCEPTION.c.clinic_id == clinic_id) | _EXCEPTION.c.clinic_id.is_(None))
        if ends_after is not None:
            statement = statement.where(_EXCEPTION.c.end_time > ends_after)
        key = (_EXCEPTION.c.start_time, _EXCEPTION.c.shift_exception_id)
        return await listing(self._connection, statement, key, page, rows.shift_exception)

    async def add_exception(self, exception: ShiftException) -> None:
        """See the port."""
        statement = insert(_EXCEPTION).values(
            organization_id=self._organization_id,
            shift_exception_id=exception.shift_exception_id,
            practitioner_id=exception.practitioner_id,
            clinic_id=exception.clinic_id,
            kind=exception.kind,
            time_zone=exception.time_zone,
            start_time=exception.interval.start,
            end_time=exception.interval.end,
            create_time=exception.create_time,
        )
        await self._connection.execute(statement)

    async def delete_exception(self, exception_id: UUID) -> None:
        """See the port."""
        await self._connection.execute(delete(_EXCEPTION).where(_EXCEPTION.c.shift_exception_id == exception_id))

    async def extra_elsewhere(self, practitioner_id: UUID, now: datetime) -> ShiftException | None:
        """See the port."""
        asked = {"practitioner_id": practitioner_id, "now": now}
        row = (await self._connection.execute(_EXTRA_ELSEWHERE, asked)).one_or_none()
        return rows.shift_exception(row) if row is not None else None

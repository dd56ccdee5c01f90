"""The waiting list in PostgreSQL."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, any_, delete, literal, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.identifiers import new_id
from services.scheduler.domain.slots import Wishes
from services.scheduler.domain.waitlist import RefusedSlot, WaitlistEntry, WaitlistState, Wish
from services.scheduler.ports.paging import Listing, Page
from services.scheduler.ports.waitlist import WaitlistFilter
from services.scheduler.storage import tables
from services.scheduler.storage.statements import contested, listing, one, patient_lock
from services.scheduler.storage.tables import table_of

_ENTRY = table_of(tables.WaitlistEntry)
_REFUSAL = table_of(tables.WaitlistRefusal)
_VACANCY = table_of(tables.Vacancy)
_OPEN = (WaitlistState.WAITING, WaitlistState.OFFERED)
_BY_WAIT = (_ENTRY.c.create_time, _ENTRY.c.waitlist_entry_id)
_NOTE_WAITING = text(
    """
    insert into vacancy (organization_id, vacancy_id, clinic_id, start_time)
    select w.organization_id, gen_random_uuid(), w.clinic_id, :now
    from (select distinct organization_id, unnest(clinic_ids) as clinic_id
          from waitlist_entry where state = 'waiting') w
    where not exists (select from vacancy v
                      where v.organization_id = w.organization_id and v.clinic_id = w.clinic_id)
    """
)


class PostgresWaitlist:
    """`WaitlistRepository` on one connection of one organization."""

    def __init__(self, connection: AsyncConnection, organization_id: UUID) -> None:
        self._connection = connection
        self._organization_id = organization_id

    async def get(self, waitlist_entry_id: UUID) -> WaitlistEntry:
        """See the port."""
        statement = select(_ENTRY).where(_ENTRY.c.waitlist_entry_id == waitlist_entry_id)
        return _entry(await one(self._connection, statement, "waitlistEntries", waitlist_entry_id))

    async def lock(self, waitlist_entry_id: UUID) -> WaitlistEntry:
        """See the port."""
        patient = select(_ENTRY.c.patient_id).where(_ENTRY.c.waitlist_entry_id == waitlist_entry_id).scalar_subquery()
        await self._connection.execute(patient_lock(patient))
        return await self.get(waitlist_entry_id)

    async def page(self, page: Page, wanted: WaitlistFilter) -> Listing[WaitlistEntry]:
        """See the port."""
        statement = select(_ENTRY).where(*_conditions(wanted))
        return await listing(self._connection, statement, _BY_WAIT, page, _entry)

    async def open_entry(self, course_id: UUID) -> UUID | None:
        """See the port."""
        statement = select(_ENTRY.c.waitlist_entry_id).where(_ENTRY.c.course_id == course_id, _ENTRY.c.state.in_(_OPEN))
        found: UUID | None = (await self._connection.execute(statement)).scalar_one_or_none()
        return found

    async def add(self, entry: WaitlistEntry) -> None:
        """See the port."""
        suits = entry.wish.suits
        statement = insert(_ENTRY).values(
            organization_id=self._organization_id,
            waitlist_entry_id=entry.waitlist_entry_id,
            course_id=entry.wish.course_id,
            patient_id=entry.patient_id,
            clinic_ids=list(suits.clinic_ids),
            start_date=suits.start_date,
            end_date=suits.end_date,
            weekdays=list(suits.weekdays),
            earliest_time=suits.earliest_time,
            latest_time=suits.latest_time,
            preferred_supervisor_id=suits.preferred_supervisor,
            notice_minutes=entry.wish.notice // timedelta(minutes=1),
            create_time=entry.create_time,
            **_state(entry),
        )
        await contested(self._connection, statement, frozenset({"waitlist_entry_open"}))
        noted = [
            {
                "organization_id": self._organization_id,
                "vacancy_id": new_id(),
                "clinic_id": clinic_id,
                "start_time": entry.create_time,
            }
            for clinic_id in suits.clinic_ids
        ]
        await self._connection.execute(insert(_VACANCY), noted)

    async def save(self, entry: WaitlistEntry) -> None:
        """See the port."""
        statement = update(_ENTRY).where(_ENTRY.c.waitlist_entry_id == entry.waitlist_entry_id)
        await self._connection.execute(statement.values(**_state(entry)))

    async def refuse(self, waitlist_entry_id: UUID, slot: RefusedSlot) -> None:
        """See the port."""
        statement = insert(_REFUSAL).values(
            organization_id=self._organization_id,
            waitlist_entry_id=waitlist_entry_id,
            clinic_id=slot.clinic_id,
            start_time=slot.start_time,
        )
        await self._connection.execute(statement.on_conflict_do_nothing())

    async def refused(self, waitlist_entry_id: UUID) -> frozenset[RefusedSlot]:
        """See the port."""
        statement = select(_REFUSAL).where(_REFUSAL.c.waitlist_entry_id == waitlist_entry_id)
        rows = await self._connection.execute(statement)
        return frozenset(RefusedSlot(row.clinic_id, row.start_time) for row in rows)

    async def waiting_at(self, clinic_id: UUID, *, after: UUID | None, at_most: int) -> list[UUID]:
        """See the port."""
        wanted = WaitlistFilter(clinic_id=clinic_id, states=(WaitlistState.WAITING,))
        statement = select(_ENTRY.c.waitlist_entry_id).where(*_conditions(wanted))
        if after is not None:
            joined = select(_ENTRY.c.create_time).where(_ENTRY.c.waitlist_entry_id == after).scalar_subquery()
            statement = statement.where(tuple_(*_BY_WAIT) > tuple_(joined, literal(after)))
        return list((await self._connection.execute(statement.order_by(*_BY_WAIT).limit(at_most))).scalars())

    async def note_waiting(self, now: datetime) -> None:
        """See the port."""
        await self._connection.execute(_NOTE_WAITING, {"now": now})

    async def vacancies(self, clinic_id: UUID) -> list[UUID]:
        """See the port."""
        statement = select(_VACANCY.c.vacancy_id).where(_VACANCY.c.clinic_id == clinic_id)
        return list((await self._connection.execute(statement)).scalars())

    async def forget_vacancies(self, vacancy_ids: Collection[UUID]) -> None:
        """See the port."""
        await self._connection.execute(delete(_VACANCY).where(_VACANCY.c.vacancy_id.in_(vacancy_ids)))


def _conditions(wanted: WaitlistFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.clinic_id is not None:
        conditions.append(literal(wanted.clinic_id) == any_(_ENTRY.c.clinic_ids))
    if wanted.course_id is not None:
        conditions.append(_ENTRY.c.course_id == wanted.course_id)
    if wanted.states:
        conditions.append(_ENTRY.c.state.in_(wanted.states))
    return conditions


def _state(entry: WaitlistEntry) -> dict[str, object]:
    return {
        "state": entry.state,
        "offered_session_id": entry.offered_session_id,
        "offer_expire_time": entry.offer_expire_time,
        "version": entry.version,
        "update_time": entry.update_time,
    }


def _entry(row: Row[Any]) -> WaitlistEntry:
    return WaitlistEntry(
        waitlist_entry_id=row.waitlist_entry_id,
        patient_id=row.patient_id,
        wish=Wish(
            course_id=row.course_id,
            suits=Wishes(
                clinic_ids=tuple(row.clinic_ids),
                start_date=row.start_date,
                end_date=row.end_date,
                weekdays=tuple(row.weekdays),
                earliest_time=row.earliest_time,
                latest_time=row.latest_time,
                preferred_supervisor=row.preferred_supervisor_id,
            ),
            notice=timedelta(minutes=row.notice_minutes),
        ),
        state=WaitlistState(row.state),
        offered_session_id=row.offered_session_id,
        offer_expire_time=row.offer_expire_time,
        version=row.version,
        create_time=row.create_time,
        update_time=row.update_time,
    )

"""Protocols in PostgreSQL."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.identifiers import new_id
from services.scheduler.domain.protocol import Limit, LimitCode, Mark, Protocol, ProtocolDefinition, Route, Substance
from services.scheduler.ports.paging import Listing, Page
from services.scheduler.storage import tables
from services.scheduler.storage.statements import contested, listing, one
from services.scheduler.storage.tables import table_of

_PROTOCOL = table_of(tables.Protocol)


REMEMBERED = 1_000


class ProtocolVersions:
    """Versions that were read before. They never change and never go, and nearly every write reads one."""

    def __init__(self) -> None:
        self._read: dict[tuple[UUID, UUID], Protocol] = {}

    def get(self, organization_id: UUID, protocol_id: UUID) -> Protocol | None:
        """Return a version of an organization, where it was read before."""
        return self._read.get((organization_id, protocol_id))

    def keep(self, organization_id: UUID, protocol: Protocol) -> Protocol:
        """Keep a version that was read, and return it."""
        if len(self._read) >= REMEMBERED:
            self._read.clear()
        self._read[organization_id, protocol.protocol_id] = protocol
        return protocol


class PostgresProtocols:
    """`ProtocolRepository` on one connection of one organization.

    Args:
        known: versions that are not read again.
    """

    def __init__(self, connection: AsyncConnection, organization_id: UUID, known: ProtocolVersions) -> None:
        self._connection = connection
        self._organization_id = organization_id
        self._known = known

    async def install(self, definitions: Sequence[ProtocolDefinition], now: datetime) -> list[Protocol]:
        """See the port."""
        statement = insert(_PROTOCOL).values([self._values(one, now) for one in definitions])
        added = statement.on_conflict_do_nothing(constraint="protocol_version").returning(_PROTOCOL)
        return [_protocol(row) for row in (await self._connection.execute(added)).all()]

    async def versions(self, definitions: Sequence[ProtocolDefinition]) -> list[Protocol]:
        """See the port."""
        wanted = [(definition.code, definition.version) for definition in definitions]
        statement = select(_PROTOCOL).where(tuple_(_PROTOCOL.c.code, _PROTOCOL.c.version).in_(wanted))
        found = {(row.code, row.version): row for row in (await self._connection.execute(statement)).all()}
        return [_protocol(found[key]) for key in wanted]

    async def create(self, definition: ProtocolDefinition, now: datetime) -> Protocol:
        """See the port."""
        newest = await self.newest(definition.code)
        numbered = replace(definition, version=newest.version + 1 if newest else 1)
        added = insert(_PROTOCOL).values(self._values(numbered, now))
        await contested(self._connection, added, frozenset({"protocol_version"}))
        return (await self.versions([numbered]))[0]

    async def newest(self, code: str) -> Protocol | None:
        """See the port."""
        statement = select(_PROTOCOL).where(_PROTOCOL.c.code == code).order_by(_PROTOCOL.c.version.desc()).limit(1)
        row = (await self._connection.execute(statement)).one_or_none()
        return _protocol(row) if row else None

    async def get(self, protocol_id: UUID) -> Protocol:
        """See the port."""
        known = self._known.get(self._organization_id, protocol_id)
        if known is not None:
            return known
        statement = select(_PROTOCOL).where(_PROTOCOL.c.protocol_id == protocol_id)
        read = _protocol(await one(self._connection, statement, "protocols", protocol_id))
        return self._known.keep(self._organization_id, read)

    async def page(self, page: Page, *, code: str = "") -> Listing[Protocol]:
        """See the port."""
        statement = select(_PROTOCOL)
        if code:
            statement = statement.where(_PROTOCOL.c.code == code)
        return await listing(self._connection, statement, (_PROTOCOL.c.code, _PROTOCOL.c.version), page, _protocol)

    def _values(self, definition: ProtocolDefinition, now: datetime) -> dict[str, object]:
        return {
            "organization_id": self._organization_id,
            "protocol_id": new_id(),
            "code": definition.code,
            "version": definition.version,
            "title": definition.title,
            "substance": definition.substance,
            "route": definition.route,
            "limits": {
                limit.code: {
                    "value": format(limit.value, "f"),
                    "unit": limit.unit,
                    "source": limit.source,
                    "mark": limit.mark,
                }
                for limit in definition.limits
            },
            "no_show_counts": definition.no_show_counts,
            "interval_days": definition.interval_days,
            "session_cap": definition.session_maximum,
            "create_time": now,
        }


def _protocol(row: Row[Any]) -> Protocol:
    return Protocol(
        protocol_id=row.protocol_id,
        code=row.code,
        version=row.version,
        title=row.title,
        substance=Substance(row.substance),
        route=Route(row.route),
        limits=tuple(_limit(code, row.limits[code]) for code in LimitCode if code in row.limits),
        no_show_counts=row.no_show_counts,
        create_time=row.create_time,
    )


def _limit(code: LimitCode, stored: dict[str, str]) -> Limit:
    return Limit(code, Decimal(stored["value"]), stored["unit"], stored["source"], Mark(stored["mark"]))

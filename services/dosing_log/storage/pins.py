"""Signing PINs and their attempts."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.dosing_log.domain.signing import PinAttempts
from services.dosing_log.storage.tables import SIGNING_PIN


class StoredPins:
    """The PINs of one organization."""

    def __init__(self, connection: AsyncConnection, organization_id: UUID) -> None:
        self._connection = connection
        self._organization_id = organization_id

    async def attempts(self, subject: str) -> PinAttempts | None:
        """Return the PIN and its attempts, locked until the transaction ends; None where none is set."""
        statement = select(SIGNING_PIN).filter_by(organization_id=self._organization_id, subject=subject)
        row = (await self._connection.execute(statement.with_for_update())).one_or_none()
        return PinAttempts(row.pin_hash, row.attempts, row.last_attempt_time) if row else None

    async def save(self, subject: str, pin: PinAttempts) -> None:
        """Set or replace them."""
        values = {
            "pin_hash": pin.pin_hash,
            "attempts": pin.attempts,
            "last_attempt_time": pin.last_attempt_time,
        }
        statement = insert(SIGNING_PIN).values(organization_id=self._organization_id, subject=subject, **values)
        await self._connection.execute(
            statement.on_conflict_do_update(index_elements=["organization_id", "subject"], set_=values)
        )

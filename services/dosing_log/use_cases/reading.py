"""Reading records. Every read leaves an access record in the transaction that reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.dosing_log.domain.access import Access, AccessResult, Purpose
from services.dosing_log.errors import RecordNotFoundError, SessionUnknownError
from services.dosing_log.ports import AnyRecord, UnitOfWork
from services.runtime.actor import Actor
from services.runtime.clock import Clock
from services.runtime.identifiers import new_id


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads, by which RPC, and when."""

    actor: Actor
    method: str
    clock: Clock

    async def granted(self, unit: UnitOfWork, purpose: Purpose, resource: str, patient_id: UUID | None) -> None:
        """Leave the access record of a read; commit it before the answer is sent."""
        await unit.access.add(self._access(purpose, resource, patient_id, AccessResult.GRANTED, ()))

    async def denied(
        self, unit: UnitOfWork, purpose: Purpose, resource: str, patient_id: UUID | None, reasons: Sequence[str]
    ) -> None:
        """Leave the access record of a denial."""
        await unit.access.add(self._access(purpose, resource, patient_id, AccessResult.DENIED, tuple(reasons)))

    def _access(
        self,
        purpose: Purpose,
        resource: str,
        patient_id: UUID | None,
        result: AccessResult,
        reasons: tuple[str, ...],
    ) -> Access:
        return Access(
            access_id=new_id(),
            actor=self.actor,
            purpose=purpose,
            method=self.method,
            resource=resource,
            patient_id=patient_id,
            access_time=self.clock.now(),
            result=result,
            reasons=reasons,
        )


async def get_record(
    record_id: UUID, at: datetime | None, purpose: Purpose, unit: UnitOfWork, reader: Reader
) -> AnyRecord:
    """Return the present version of a record, or the one that stood at a recorded time.

    Raises:
        RecordNotFoundError: there is none, or none at that time.
    """
    found = await unit.records.find(record_id, at=at)
    if found is None:
        raise RecordNotFoundError(record_id)
    await reader.granted(unit, purpose, f"records/{record_id}", found.version.patient_id)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordsAsked:
    """Which records: of a session, of a patient, or of both."""

    session_id: UUID | None
    patient_id: UUID | None
    after: tuple[datetime, UUID] | None
    limit: int


async def list_records(asked: RecordsAsked, purpose: Purpose, unit: UnitOfWork, reader: Reader) -> Sequence[AnyRecord]:
    """Return present versions by event time.

    Raises:
        SessionUnknownError: no event of the session has arrived.
    """
    patient_id, resource = asked.patient_id, f"patients/{asked.patient_id}"
    if asked.session_id is not None:
        session = await unit.projection.session(asked.session_id)
        if session is None:
            raise SessionUnknownError
        patient_id, resource = session.patient_id, f"sessions/{asked.session_id}"
    await reader.granted(unit, purpose, resource, patient_id)
    return await unit.records.present(
        session_id=asked.session_id, patient_id=asked.patient_id, after=asked.after, limit=asked.limit
    )


async def list_versions(
    record_id: UUID, *, after: int, limit: int, purpose: Purpose, unit: UnitOfWork, reader: Reader
) -> Sequence[AnyRecord]:
    """Return versions in order, with the one before the first of them, where there is one, in front.

    Raises:
        RecordNotFoundError: there is no such record.
    """
    found = await unit.records.versions(record_id, after=max(after - 1, 0), limit=limit + (after > 0))
    if not found:
        raise RecordNotFoundError(record_id)
    await reader.granted(unit, purpose, f"records/{record_id}", found[0].version.patient_id)
    return found


async def patient_of(unit: UnitOfWork, collection: str, identifier: UUID) -> UUID | None:
    """Return whose a named resource is, as far as it is known here."""
    if collection == "patients":
        return identifier
    if collection == "sessions":
        session = await unit.projection.session(identifier)
        return session.patient_id if session else None
    record = await unit.records.find(identifier)
    return record.version.patient_id if record else None

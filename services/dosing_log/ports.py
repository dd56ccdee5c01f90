"""What the use cases need from outside."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol as Port
from uuid import UUID

from services.dosing_log.domain.access import Access
from services.dosing_log.domain.contents import Assessment, Content
from services.dosing_log.domain.evidence import Entry, Opening, SignedCheckpoint
from services.dosing_log.domain.protocols import Protocol
from services.dosing_log.domain.records import Receipt, RecordVersion, Signature, StoredRecord, StoredSignature
from services.dosing_log.domain.sessions import Course, Planned, Session
from services.dosing_log.domain.signing import PinAttempts
from services.dosing_log.domain.stock import Lot, LotOnHand, Movement

AnyRecord = StoredRecord[Content]


class Records(Port):
    """Records and their signatures. Whatever is added goes into the ledger in the same transaction."""

    async def lock_patient(self, patient_id: UUID) -> None:
        """Let no other transaction change the patient's records until this one ends."""
        ...

    async def add(self, version: RecordVersion[Content]) -> AnyRecord:
        """Add a version: the first of a record or the next."""
        ...

    async def find(self, record_id: UUID, *, at: datetime | None = None) -> AnyRecord | None:
        """Return the present version, or the one that stood at a recorded time."""
        ...

    async def versions(self, record_id: UUID, *, after: int, limit: int) -> Sequence[AnyRecord]:
        """Return versions in order, beginning after a version number."""
        ...

    async def present(
        self,
        *,
        session_id: UUID | None,
        patient_id: UUID | None,
        after: tuple[datetime, UUID] | None,
        limit: int,
    ) -> Sequence[AnyRecord]:
        """Return present versions by event time and id, beginning after a place in that order."""
        ...

    async def of_visit(self, session: Session) -> Sequence[AnyRecord]:
        """Return the present versions that judge a dose, the newest event first.

        All of the session's, and the orders, assessments, authorizations, doses and departures of the patient's other
        sessions.
        """
        ...

    async def sign(self, signature: Signature, *, session_time: datetime) -> StoredSignature:
        """Add a signature. `session_time` is when it was made, on the clock that security goes by."""
        ...

    async def last_full_signature(self, signer_subject: str, token_id: str) -> datetime | None:
        """Return the session time of the signer's last signature with both components in a token session."""
        ...


class Pins(Port):
    """The second components of signers."""

    async def attempts(self, subject: str) -> PinAttempts | None:
        """Return the PIN and its attempts, locked until the transaction ends; None where none is set."""
        ...

    async def save(self, subject: str, pin: PinAttempts) -> None:
        """Set or replace them."""
        ...


class Stock(Port):
    """Lots and their movements. Whatever is added goes into the ledger in the same transaction."""

    async def add_lot(self, lot: Lot, receipt: Movement) -> None:
        """Add a lot with its first movement.

        Raises:
            LotExistsError: the clinic has it.
        """
        ...

    async def locked(self, lot_id: UUID) -> LotOnHand | None:
        """Return a lot whose stock no other transaction moves until this one ends."""
        ...

    async def on_hand(self, lot_id: UUID) -> LotOnHand | None:
        """Return a lot with its present balance."""
        ...

    async def post(self, movement: Movement) -> None:
        """Add the next movement of a locked lot."""
        ...

    async def posted_by(self, record_id: UUID) -> dict[UUID, Decimal]:
        """Return what the movements of a record sum up to, in mg for each lot."""
        ...

    async def lots(self, *, clinic_id: UUID | None, before: UUID | None, limit: int) -> Sequence[LotOnHand]:
        """Return lots, the newest first, beginning before one."""
        ...

    async def movements(self, lot_id: UUID, *, after: int, limit: int) -> Sequence[Movement]:
        """Return movements in order, beginning after a sequence number."""
        ...


class Projection(Port):
    """What the scheduler told of sessions, courses and protocols."""

    async def session(self, session_id: UUID) -> Session | None:
        """Return a session."""
        ...

    async def planned(self, session_id: UUID) -> Planned | None:
        """Return a session with its course and protocol."""
        ...

    async def put_session(self, session: Session) -> None:
        """Keep a session as it stands now; one with an older revision changes nothing."""
        ...

    async def put_course(self, course: Course) -> None:
        """Keep a course."""
        ...

    async def put_protocol(self, protocol: Protocol) -> None:
        """Keep a protocol version; one that is kept stays as it is."""
        ...


class AccessLog(Port):
    """Access records. Each goes into the ledger in the same transaction."""

    async def add(self, access: Access) -> None:
        """Add an access."""
        ...

    async def newest(
        self, *, patient_id: UUID | None, before: UUID | None, limit: int
    ) -> Sequence[tuple[Access, Receipt]]:
        """Return accesses, the newest first, beginning before one."""
        ...


class Evidence(Port):
    """The ledger of the organization, for whoever checks it."""

    async def checkpoint(self) -> SignedCheckpoint | None:
        """Return the newest checkpoint."""
        ...

    async def entries(self, *, start: int, limit: int) -> Sequence[Entry]:
        """Return entries by index."""
        ...

    async def opening(self, event_id: UUID) -> Opening | None:
        """Return what opens an entry."""
        ...


class Announcer(Port):
    """Events for the other services, sent once the transaction is committed."""

    async def dose_authorized(self, session_id: UUID, record_id: UUID) -> None:
        """Tell that a dose was authorized."""
        ...

    async def dose_administered(self, session: Session, record_id: UUID, start_time: datetime) -> None:
        """Tell that a dose was given."""
        ...

    async def assessment_recorded(
        self, session: Session, version: RecordVersion[Content], assessment: Assessment
    ) -> None:
        """Tell the total of a version of an assessment, and none of its items."""
        ...

    async def record_amended(self, session_id: UUID, record_id: UUID, version: int) -> None:
        """Tell that a record was amended."""
        ...

    async def patient_departed(self, session: Session, departure_time: datetime, *, against_advice: bool) -> None:
        """Tell that the patient left."""
        ...


@dataclass(frozen=True, slots=True)
class UnitOfWork:
    """One transaction of one organization."""

    records: Records
    pins: Pins
    stock: Stock
    projection: Projection
    access: AccessLog
    evidence: Evidence
    announcer: Announcer

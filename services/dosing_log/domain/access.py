"""Access to patients' records: who asked for what, why, and what became of it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from services.runtime.actor import Actor


class Purpose(StrEnum):
    """Why a record is read. A write has none of its own: the record that it makes says it all."""

    NONE = "none"
    TREATMENT = "treatment"
    OPERATIONS = "operations"
    AUDIT = "audit"
    PATIENT_REQUEST = "patient_request"


class AccessResult(StrEnum):
    """What became of it."""

    GRANTED = "granted"
    DENIED = "denied"


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """One access.

    Attributes:
        method: the RPC, such as "kat.dosing_log.v1.RecordService/GetRecord".
        resource: what was asked for, such as "records/…".
        reasons: of a denial, the stable codes.
    """

    access_id: UUID
    actor: Actor
    purpose: Purpose
    method: str
    resource: str
    patient_id: UUID | None
    access_time: datetime
    result: AccessResult
    reasons: tuple[str, ...] = ()

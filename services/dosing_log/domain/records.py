"""Records: an identity and its versions, each signed or not, each committed to by the ledger."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Generic, TypeVar
from uuid import UUID

from services.dosing_log.domain.canonical import Json, from_json, object_to_json
from services.dosing_log.domain.contents import CONTENT_CLASSES, Content, Kind, kind_of
from services.runtime.actor import Actor

C_co = TypeVar("C_co", bound=Content, covariant=True)


class Severity(StrEnum):
    """How far a finding reaches, the farthest first."""

    HARD = "hard"
    SOFT = "soft"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a rule found. `description` says what to do, without personal data; `source` where the limit comes from."""

    code: str
    severity: Severity
    description: str
    value: str = ""
    limit: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordVersion(Generic[C_co]):
    """One version of a record. `event_time` is when it happened, `record_time` when the server was told."""

    record_id: UUID
    version: int
    session_id: UUID
    patient_id: UUID
    event_time: datetime
    record_time: datetime
    recorder: Actor
    amendment_reason: str
    content: C_co
    findings: tuple[Finding, ...] = ()
    deviation: bool = False

    @property
    def kind(self) -> Kind:
        """The kind of its content."""
        return kind_of(self.content)

    def amended(
        self, content: Content, *, event_time: datetime, record_time: datetime, recorder: Actor, reason: str
    ) -> "RecordVersion[Content]":
        """Return the version that follows this one, without findings."""
        return replace(
            self,
            version=self.version + 1,
            content=content,  # type: ignore[arg-type]  # the caller checked that the kind stays
            event_time=event_time,
            record_time=record_time,
            recorder=recorder,
            amendment_reason=reason,
            findings=(),
            deviation=False,
        )

    def judged(self, findings: Sequence[Finding]) -> "RecordVersion[C_co]":
        """Return it with what the rules found; a broken hard or soft rule makes it a deviation."""
        deviation = any(finding.severity != Severity.WARNING for finding in findings)
        return replace(self, findings=tuple(findings), deviation=deviation)


class Meaning(StrEnum):
    """What a signer says by signing."""

    AUTHORED = "authored"
    ADMINISTERED = "administered"
    WITNESSED = "witnessed"
    REVIEWED = "reviewed"
    COUNTERSIGNED = "countersigned"
    AMENDED = "amended"


@dataclass(frozen=True, slots=True)
class Receipt:
    """Where an entry stands in the ledger; `index` once it is sequenced."""

    event_id: UUID
    commitment: bytes
    index: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A signature on one version of one record.

    Attributes:
        token_id: the token session that it was made in.
        components_used: 2 with the PIN, 1 within a continuous session.
        signature_hash: `signing.signature_hash` of the other fields and the version's commitment.
    """

    record_id: UUID
    version: int
    signer: Actor
    meaning: Meaning
    sign_time: datetime
    components_used: int
    token_id: str
    signature_hash: str


@dataclass(frozen=True, slots=True)
class StoredSignature:
    """A signature with its place in the ledger."""

    signature: Signature
    receipt: Receipt


@dataclass(frozen=True, slots=True)
class StoredRecord(Generic[C_co]):
    """A version as it is stored, with its signatures and its place in the ledger."""

    version: RecordVersion[C_co]
    receipt: Receipt
    signatures: tuple[StoredSignature, ...] = field(default=())

    @property
    def etag(self) -> str:
        """Changes with every version and signature."""
        return f"{self.version.version}-{len(self.signatures)}"

    def signed_by(self, subject: str, meaning: Meaning) -> bool:
        """Say whether this person signed this version with this meaning."""
        return any(s.signature.signer.subject == subject and s.signature.meaning == meaning for s in self.signatures)


def version_to_json(version: RecordVersion[Content]) -> dict[str, Json]:
    """Return the JSON object that the ledger commits to for a version."""
    return {"type": "record", "kind": version.kind.value, **object_to_json(version)}


def version_from_json(value: Mapping[str, Json]) -> RecordVersion[Content]:
    """Return the version that `version_to_json` wrote."""
    version: RecordVersion[Content] = from_json(RecordVersion, value)
    return replace(version, content=from_json(CONTENT_CLASSES[Kind(str(value["kind"]))], value["content"]))

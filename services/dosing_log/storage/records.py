"""Records, their versions and signatures."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Row, Select, and_, bindparam, func, insert, or_, select, text, tuple_
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from services.dosing_log.domain.canonical import from_json, object_to_json
from services.dosing_log.domain.contents import Content, Kind
from services.dosing_log.domain.records import (
    RecordVersion,
    Signature,
    StoredRecord,
    StoredSignature,
    version_from_json,
    version_to_json,
)
from services.dosing_log.domain.sessions import Session
from services.dosing_log.errors import AlreadySignedError, StaleRecordError
from services.dosing_log.ports import AnyRecord
from services.dosing_log.storage.ledger import LedgerWriter, receipt_of, with_receipt
from services.dosing_log.storage.tables import RECORD_VERSION, SIGNATURE
from services.runtime.database import constraint_of

# What is asked of a patient's other sessions when a dose is judged.
_OF_OTHER_SESSIONS = (Kind.ORDER, Kind.ASSESSMENT, Kind.AUTHORIZATION, Kind.ADMINISTRATION, Kind.DEPARTURE)

_LOCK = text("select pg_advisory_xact_lock(hashtextextended(:key, 0))").bindparams(bindparam("key"))


async def lock(connection: AsyncConnection, kind: str, identifier: UUID) -> None:
    """Let one transaction at a time work on something that has no row to lock."""
    await connection.execute(_LOCK, {"key": f"{kind}/{identifier}"})


class StoredRecords:
    """The records of one organization."""

    def __init__(self, connection: AsyncConnection, organization_id: UUID, ledger: LedgerWriter) -> None:
        self._connection = connection
        self._organization_id = organization_id
        self._ledger = ledger

    async def lock_patient(self, patient_id: UUID) -> None:
        """Let no other transaction change the patient's records until this one ends."""
        await lock(self._connection, "patients", patient_id)

    async def add(self, version: RecordVersion[Content]) -> AnyRecord:
        """Add a version: the first of a record or the next."""
        row = insert(RECORD_VERSION).values(
            record_id=version.record_id,
            version=version.version,
            kind=version.kind.value,
            session_id=version.session_id,
            patient_id=version.patient_id,
            event_time=version.event_time,
            record_time=version.record_time,
        )
        try:
            receipt = await self._ledger.append(version_to_json(version), row)
        except IntegrityError as error:
            if constraint_of(error) == "record_version_pkey":
                raise StaleRecordError from error
            raise
        return StoredRecord(version, receipt)

    async def find(self, record_id: UUID, *, at: datetime | None = None) -> AnyRecord | None:
        """Return the present version, or the one that stood at a recorded time."""
        statement = self._versions().where(RECORD_VERSION.c.record_id == record_id)
        if at is not None:
            statement = statement.where(RECORD_VERSION.c.record_time <= at)
        found = await self._load(statement.order_by(RECORD_VERSION.c.version.desc()).limit(1), at=at)
        return found[0] if found else None

    async def versions(self, record_id: UUID, *, after: int, limit: int) -> Sequence[AnyRecord]:
        """Return versions in order, beginning after a version number."""
        version = RECORD_VERSION.c
        statement = self._versions().where(version.record_id == record_id, version.version > after)
        return await self._load(statement.order_by(version.version).limit(limit))

    async def present(
        self,
        *,
        session_id: UUID | None,
        patient_id: UUID | None,
        after: tuple[datetime, UUID] | None,
        limit: int,
    ) -> Sequence[AnyRecord]:
        """Return present versions by event time and id, beginning after a place in that order."""
        version = RECORD_VERSION.c
        of = [
            column == value
            for column, value in ((version.session_id, session_id), (version.patient_id, patient_id))
            if value is not None
        ]
        statement = self._versions().where(self._is_present(), *of).order_by(version.event_time, version.record_id)
        if after is not None:
            statement = statement.where(tuple_(version.event_time, version.record_id) > after)
        return await self._load(statement.limit(limit))

    async def of_visit(self, session: Session) -> Sequence[AnyRecord]:
        """Return the present versions that judge a dose, the newest event first."""
        version = RECORD_VERSION.c
        relevant = or_(
            version.session_id == session.session_id, version.kind.in_([kind.value for kind in _OF_OTHER_SESSIONS])
        )
        statement = self._versions().where(version.patient_id == session.patient_id, relevant, self._is_present())
        return await self._load(statement.order_by(version.event_time.desc(), version.record_id.desc()))

    async def sign(self, signature: Signature, *, session_time: datetime) -> StoredSignature:
        """Add a signature.

        Raises:
            AlreadySignedError: the signer signed this version with this meaning.
        """
        event = {"type": "signature", **object_to_json(signature)}
        row = insert(SIGNATURE).values(
            record_id=signature.record_id,
            version=signature.version,
            signer_subject=signature.signer.subject,
            meaning=signature.meaning.value,
            token_id=signature.token_id,
            components_used=signature.components_used,
            sign_time=signature.sign_time,
            session_time=session_time,
        )
        try:
            receipt = await self._ledger.append(event, row, [bytes.fromhex(signature.signature_hash)])
        except IntegrityError as error:
            if constraint_of(error) == "signature_pkey":
                raise AlreadySignedError from error
            raise
        return StoredSignature(signature, receipt)

    async def last_full_signature(self, signer_subject: str, token_id: str) -> datetime | None:
        """Return the session time of the signer's last signature with both components in a token session."""
        statement = select(func.max(SIGNATURE.c.session_time)).filter_by(
            organization_id=self._organization_id,
            signer_subject=signer_subject,
            token_id=token_id,
            components_used=2,
        )
        latest: datetime | None = (await self._connection.execute(statement)).scalar_one()
        return latest

    def _versions(self) -> Select[Any]:
        statement = with_receipt(select(RECORD_VERSION.c.record_id, RECORD_VERSION.c.version), RECORD_VERSION)
        return statement.where(RECORD_VERSION.c.organization_id == self._organization_id)

    def _is_present(self) -> Any:
        later, version = RECORD_VERSION.alias("later"), RECORD_VERSION.c
        return ~(
            select(later.c.version)
            .where(
                later.c.organization_id == version.organization_id,
                later.c.record_id == version.record_id,
                later.c.version == version.version + 1,
            )
            .exists()
        )

    async def _load(self, statement: Select[Any], *, at: datetime | None = None) -> list[AnyRecord]:
        rows = (await self._connection.execute(statement)).all()
        signatures = await self._signatures([(row.record_id, row.version) for row in rows], at)
        return [
            StoredRecord(
                version_from_json(orjson.loads(row.record)),
                receipt_of(row),
                tuple(signatures.get((row.record_id, row.version), ())),
            )
            for row in rows
        ]

    async def _signatures(
        self, versions: Sequence[tuple[UUID, int]], at: datetime | None
    ) -> dict[tuple[UUID, int], list[StoredSignature]]:
        if not versions:
            return {}
        columns = SIGNATURE.c
        statement = with_receipt(select(columns.record_id, columns.version), SIGNATURE).where(
            and_(
                columns.organization_id == self._organization_id,
                columns.record_id.in_({record_id for record_id, _ in versions}),
            )
        )
        if at is not None:
            statement = statement.where(columns.sign_time <= at)
        found: dict[tuple[UUID, int], list[StoredSignature]] = {}
        for row in await self._connection.execute(statement.order_by(columns.sign_time, columns.event_id)):
            found.setdefault((row.record_id, row.version), []).append(_signature(row))
        return found


def _signature(row: Row[Any]) -> StoredSignature:
    return StoredSignature(from_json(Signature, orjson.loads(row.record)), receipt_of(row))

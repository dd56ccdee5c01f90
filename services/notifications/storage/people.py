"""People, their contact points and consents, and sender profiles."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notifications.domain.people import (
    Channel,
    Consent,
    ContactPoint,
    Language,
    Profile,
    Purpose,
    Recipient,
    SenderProfile,
    decisions_that_hold,
)
from services.notifications.domain.quiet_hours import QuietHours
from services.notifications.ports import Lock, NewConsent, NewContactPoint, Verification
from services.notifications.storage.contact_cipher import ContactCipher
from services.notifications.storage.queries import locked, one_of
from services.notifications.storage.tables import CONSENT, CONTACT_POINT, RECIPIENT, SENDER_PROFILE
from services.runtime.identifiers import new_id


class StoredRecipients:
    """`ports.Recipients` on PostgreSQL."""

    def __init__(self, connection: AsyncConnection, organization_id: UUID, cipher: ContactCipher) -> None:
        self._connection = connection
        self._organization_id = organization_id
        self._cipher = cipher

    async def get(self, patient_id: UUID, *, lock: Lock = Lock.NONE) -> Recipient | None:
        """Return a person as they stand now."""
        row = (await self._connection.execute(locked(_of(select(RECIPIENT), [patient_id]), lock))).one_or_none()
        if row is None:
            return None
        points = select(CONTACT_POINT).where(CONTACT_POINT.c.patient_id == patient_id)
        consents = select(CONSENT).where(CONSENT.c.patient_id == patient_id)
        return Recipient(
            profile=self._profile(row),
            contact_points=[
                self._contact_point(point)
                for point in await self._connection.execute(points.order_by(CONTACT_POINT.c.contact_point_id))
            ],
            consents=decisions_that_hold(
                _consent(consent) for consent in await self._connection.execute(consents.order_by(CONSENT.c.consent_id))
            ),
            revision=row.revision,
        )

    async def profiles(self, patient_ids: Collection[UUID], *, lock: Lock = Lock.NONE) -> Mapping[UUID, Profile]:
        """Return the profiles of those who are known."""
        rows = await self._connection.execute(locked(_of(select(RECIPIENT), patient_ids), lock))
        return {row.patient_id: self._profile(row) for row in rows}

    async def save_profiles(self, profiles: Sequence[Profile]) -> None:
        """Add or change people."""
        statement = insert(RECIPIENT)
        changed = {name: statement.excluded[name] for name in _PROFILE_COLUMNS}
        await self._write(
            statement.on_conflict_do_update(
                index_elements=["organization_id", "patient_id"],
                set_={**changed, "revision": RECIPIENT.c.revision + 1},
            ),
            [self._profile_values(profile) for profile in profiles],
        )

    async def add_contact_points(self, points: Sequence[NewContactPoint]) -> None:
        """Add contact points; one that the person has only becomes verified, where it was not."""
        statement = insert(CONTACT_POINT)
        verified = {name: statement.excluded[name] for name in _VERIFICATION_COLUMNS}
        await self._write(
            statement.on_conflict_do_update(
                constraint="contact_point_once", set_=verified, where=CONTACT_POINT.c.verify_time.is_(None)
            ),
            [self._contact_point_values(point) for point in points],
        )

    async def verify_contact_point(
        self, patient_id: UUID, contact_point_id: UUID, verification: Verification
    ) -> ContactPoint | None:
        """Note a verification, unless there is one, and return the contact point; None where it is not the person's."""
        mine = (CONTACT_POINT.c.contact_point_id == contact_point_id, CONTACT_POINT.c.patient_id == patient_id)
        await self._connection.execute(
            update(CONTACT_POINT)
            .where(*mine, CONTACT_POINT.c.verify_time.is_(None))
            .values(_verification_values(verification))
        )
        row = (await self._connection.execute(select(CONTACT_POINT).where(*mine))).one_or_none()
        return self._contact_point(row) if row is not None else None

    async def record_consents(self, consents: Sequence[NewConsent]) -> None:
        """Add decisions to the history; one that is in it already is not added twice."""
        await self._write(
            insert(CONSENT).on_conflict_do_nothing(constraint="consent_once"),
            [
                {
                    "organization_id": self._organization_id,
                    "consent_id": new_id(),
                    "patient_id": new.patient_id,
                    "channel": new.consent.channel,
                    "purpose": new.consent.purpose,
                    "granted": new.consent.granted,
                    "source": new.consent.source,
                    "decision_time": new.consent.decision_time,
                    "recorded_by": new.recorded_by,
                }
                for new in consents
            ],
        )

    async def touch(self, patient_id: UUID) -> None:
        """Note that something of a person changed, so that their etag does."""
        raised = {"revision": RECIPIENT.c.revision + 1}
        await self._connection.execute(update(RECIPIENT).where(RECIPIENT.c.patient_id == patient_id).values(raised))

    async def sender_profile(self, clinic_id: UUID) -> SenderProfile | None:
        """Return how a clinic names itself."""
        asked = select(SENDER_PROFILE).where(SENDER_PROFILE.c.clinic_id == clinic_id)
        row = (await self._connection.execute(asked)).one_or_none()
        if row is None:
            return None
        return SenderProfile(clinic_id=clinic_id, short_name=row.short_name, phone=row.phone)

    async def save_sender_profiles(self, profiles: Sequence[SenderProfile]) -> None:
        """Add or change sender profiles."""
        statement = insert(SENDER_PROFILE)
        await self._write(
            statement.on_conflict_do_update(
                index_elements=["organization_id", "clinic_id"],
                set_={"short_name": statement.excluded.short_name, "phone": statement.excluded.phone},
            ),
            [
                {
                    "organization_id": self._organization_id,
                    "clinic_id": profile.clinic_id,
                    "short_name": profile.short_name,
                    "phone": profile.phone,
                }
                for profile in profiles
            ],
        )

    async def _write(self, statement: Any, rows: Sequence[Mapping[str, object]]) -> None:
        if rows:
            await self._connection.execute(statement, rows)

    def _profile_values(self, profile: Profile) -> dict[str, object]:
        place = {"organization_id": self._organization_id, "row": profile.patient_id}
        return {
            "organization_id": self._organization_id,
            "patient_id": profile.patient_id,
            "display_name": self._cipher.encrypt(
                profile.display_name, table="recipient", column="display_name", **place
            ),
            "language": profile.language,
            "time_zone": profile.time_zone,
            "quiet_end": profile.quiet_hours.end,
            "quiet_start": profile.quiet_hours.start,
            "revision": 1,
        }

    def _profile(self, row: Row[Any]) -> Profile:
        place = {"organization_id": self._organization_id, "row": row.patient_id}
        return Profile(
            patient_id=row.patient_id,
            display_name=self._cipher.decrypt(row.display_name, table="recipient", column="display_name", **place),
            language=Language(row.language),
            time_zone=row.time_zone,
            quiet_hours=QuietHours(end=row.quiet_end, start=row.quiet_start),
        )

    def _contact_point_values(self, point: NewContactPoint) -> dict[str, object]:
        contact_point_id = new_id()
        place = {"organization_id": self._organization_id, "row": contact_point_id}
        return {
            "organization_id": self._organization_id,
            "contact_point_id": contact_point_id,
            "patient_id": point.patient_id,
            "channel": point.channel,
            "value": self._cipher.encrypt(point.value, table="contact_point", column="value", **place),
            "value_hash": self._cipher.lookup_hash(point.value, organization_id=self._organization_id),
            **_verification_values(point.verification),
        }

    def _contact_point(self, row: Row[Any]) -> ContactPoint:
        place = {"organization_id": self._organization_id, "row": row.contact_point_id}
        return ContactPoint(
            contact_point_id=row.contact_point_id,
            channel=Channel(row.channel),
            value=self._cipher.decrypt(row.value, table="contact_point", column="value", **place),
            verify_time=row.verify_time,
        )


_PROFILE_COLUMNS = ("display_name", "language", "time_zone", "quiet_end", "quiet_start")
_VERIFICATION_COLUMNS = ("verify_time", "verify_source", "verified_by")


def _of(statement: Select[Any], patient_ids: Collection[UUID]) -> Select[Any]:
    # In one order, so that two who lock several do not wait for each other.
    return statement.where(RECIPIENT.c.patient_id == one_of(patient_ids)).order_by(RECIPIENT.c.patient_id)


def _verification_values(verification: Verification | None) -> dict[str, object]:
    if verification is None:
        return dict.fromkeys(_VERIFICATION_COLUMNS)
    return {
        "verify_time": verification.time,
        "verify_source": verification.source,
        "verified_by": verification.subject,
    }


def _consent(row: Row[Any]) -> Consent:
    return Consent(
        channel=Channel(row.channel),
        purpose=Purpose(row.purpose),
        granted=row.granted,
        source=row.source,
        decision_time=row.decision_time,
    )

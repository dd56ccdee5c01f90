"""Recording who is written to, where, and with whose leave."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from services.notifications.domain.people import (
    Channel,
    Consent,
    ContactPoint,
    Profile,
    Recipient,
    SenderProfile,
    VerifySource,
)
from services.notifications.errors import ContactPointKnownError
from services.notifications.ports import Lock, NewConsent, NewContactPoint, UnitOfWork, Verification
from services.notifications.use_cases.planning import Planning, replan
from services.runtime.actor import Actor
from services.runtime.clock import Clock
from services.runtime.errors import NotFoundError
from services.runtime.names import format_name


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedRecipient:
    """A person as a clinic's system has them: the contact points and decisions that it vouches for."""

    profile: Profile
    contact_points: Sequence[ContactPoint]
    consents: Sequence[Consent]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRecipients:
    """People and sender profiles to take in."""

    recipients: Sequence[ImportedRecipient]
    sender_profiles: Sequence[SenderProfile]


async def import_recipients(command: ImportRecipients, unit: UnitOfWork, planning: Planning, actor: Actor) -> None:
    """Add or change all of it; what a clinic's system verified counts as verified by it."""
    imported = sorted(command.recipients, key=lambda recipient: recipient.profile.patient_id)  # no deadlocks
    profiles = [recipient.profile for recipient in imported]
    await _save(profiles, unit, planning)
    await unit.recipients.add_contact_points(
        [_imported_point(recipient, point, actor) for recipient in imported for point in recipient.contact_points]
    )
    await unit.recipients.record_consents(
        [
            NewConsent(patient_id=recipient.profile.patient_id, consent=consent, recorded_by=actor.subject)
            for recipient in imported
            for consent in recipient.consents
        ]
    )
    await unit.recipients.save_sender_profiles(command.sender_profiles)


def _imported_point(recipient: ImportedRecipient, point: ContactPoint, actor: Actor) -> NewContactPoint:
    verification = None
    if point.verify_time is not None:
        verification = Verification(time=point.verify_time, source=VerifySource.IMPORT, subject=actor.subject)
    return NewContactPoint(
        patient_id=recipient.profile.patient_id,
        channel=point.channel,
        value=point.value,
        verification=verification,
    )


async def upsert_recipient(profile: Profile, unit: UnitOfWork, planning: Planning) -> Recipient:
    """Add or change one person; what is planned for them moves with their zone and quiet hours."""
    await _save([profile], unit, planning)
    return await get_recipient(profile.patient_id, unit)


async def _save(profiles: list[Profile], unit: UnitOfWork, planning: Planning) -> None:
    before = await unit.recipients.profiles([profile.patient_id for profile in profiles], lock=Lock.UPDATE)
    await unit.recipients.save_profiles(profiles)
    await replan(dict(before), profiles, unit, planning)


async def get_recipient(patient_id: UUID, unit: UnitOfWork, *, lock: Lock = Lock.NONE) -> Recipient:
    """Return a person as they stand now.

    Raises:
        NotFoundError: nobody recorded them.
    """
    recipient = await unit.recipients.get(patient_id, lock=lock)
    if recipient is None:
        raise NotFoundError(format_name("recipients", patient_id))
    return recipient


async def add_contact_point(patient_id: UUID, channel: Channel, value: str, unit: UnitOfWork) -> Recipient:
    """Add a contact point, not yet verified.

    Raises:
        NotFoundError: nobody recorded the person.
        ContactPointKnownError: they have it.
    """
    recipient = await get_recipient(patient_id, unit, lock=Lock.UPDATE)
    if any((point.channel, point.value) == (channel, value) for point in recipient.contact_points):
        raise ContactPointKnownError(patient_id)
    point = NewContactPoint(patient_id=patient_id, channel=channel, value=value)
    await unit.recipients.add_contact_points([point])
    return await _changed(patient_id, unit)


async def verify_contact_point(
    patient_id: UUID, contact_point_id: UUID, unit: UnitOfWork, clock: Clock, actor: Actor
) -> Recipient:
    """Note that staff verified a contact point with the person; the first verification stays.

    Raises:
        NotFoundError: it is not there.
    """
    await get_recipient(patient_id, unit, lock=Lock.UPDATE)
    verification = Verification(time=clock.now(), source=VerifySource.STAFF, subject=actor.subject)
    point = await unit.recipients.verify_contact_point(patient_id, contact_point_id, verification)
    if point is None:
        name = f"{format_name('recipients', patient_id)}/{format_name('contactPoints', contact_point_id)}"
        raise NotFoundError(name)
    return await _changed(patient_id, unit)


async def record_consent(patient_id: UUID, consent: Consent, unit: UnitOfWork, actor: Actor) -> Recipient:
    """Add a decision to the history; no message that it forbids is begun after this is committed.

    Raises:
        NotFoundError: nobody recorded the person.
    """
    await get_recipient(patient_id, unit, lock=Lock.UPDATE)
    await unit.recipients.record_consents(
        [NewConsent(patient_id=patient_id, consent=consent, recorded_by=actor.subject)]
    )
    return await _changed(patient_id, unit)


async def _changed(patient_id: UUID, unit: UnitOfWork) -> Recipient:
    await unit.recipients.touch(patient_id)
    return await get_recipient(patient_id, unit)

"""RecipientService."""

# ruff: noqa: N802 - the contract's names

from sqlalchemy.ext.asyncio import AsyncConnection

from kat.notifications.v1 import notifications_pb2 as pb
from kat.notifications.v1.notifications_pb2_grpc import RecipientServiceServicer
from services.notifications.convert import recipients as convert
from services.notifications.ports import UnitOfWork
from services.notifications.units import Units
from services.notifications.use_cases import recipients as use_cases
from services.notifications.use_cases.planning import Planning
from services.runtime.auth import current_caller
from services.runtime.writes import Writer


class RecipientServicer(RecipientServiceServicer):
    """Serves RecipientService."""

    def __init__(self, writer: Writer, units: Units, planning: Planning) -> None:
        self._writer = writer
        self._units = units
        self._planning = planning

    async def ImportRecipients(
        self, request: pb.ImportRecipientsRequest, _context: object
    ) -> pb.ImportRecipientsResponse:
        """Take in recipients and sender profiles, all or nothing."""
        command = convert.import_recipients(request, self._planning.clock.now())
        answer = pb.ImportRecipientsResponse(
            recipient_count=len(command.recipients), sender_profile_count=len(command.sender_profiles)
        )
        if request.validate_only:
            return answer

        async def work(connection: AsyncConnection) -> pb.ImportRecipientsResponse:
            actor = current_caller().actor
            await use_cases.import_recipients(command, self._unit(connection), self._planning, actor)
            return answer

        return await self._writer.once(request, pb.ImportRecipientsResponse, work)

    async def UpsertRecipient(self, request: pb.UpsertRecipientRequest, _context: object) -> pb.Recipient:
        """Add or change one recipient."""
        profile = convert.upsert_recipient(request)

        async def work(connection: AsyncConnection) -> pb.Recipient:
            unit = self._unit(connection)
            return convert.recipient_message(await use_cases.upsert_recipient(profile, unit, self._planning))

        return await self._writer.once(request, pb.Recipient, work)

    async def GetRecipient(self, request: pb.GetRecipientRequest, _context: object) -> pb.Recipient:
        """Return one recipient."""
        patient_id = convert.get_recipient(request)
        async with self._units.transaction(current_caller().organization) as unit:
            return convert.recipient_message(await use_cases.get_recipient(patient_id, unit))

    async def AddContactPoint(self, request: pb.AddContactPointRequest, _context: object) -> pb.Recipient:
        """Add a contact point."""
        patient_id, channel, value = convert.add_contact_point(request)

        async def work(connection: AsyncConnection) -> pb.Recipient:
            unit = self._unit(connection)
            return convert.recipient_message(await use_cases.add_contact_point(patient_id, channel, value, unit))

        return await self._writer.once(request, pb.Recipient, work)

    async def VerifyContactPoint(self, request: pb.VerifyContactPointRequest, _context: object) -> pb.Recipient:
        """Record a verification."""
        patient_id, contact_point_id = convert.verify_contact_point(request)

        async def work(connection: AsyncConnection) -> pb.Recipient:
            recipient = await use_cases.verify_contact_point(
                patient_id, contact_point_id, self._unit(connection), self._planning.clock, current_caller().actor
            )
            return convert.recipient_message(recipient)

        return await self._writer.once(request, pb.Recipient, work)

    async def RecordConsent(self, request: pb.RecordConsentRequest, _context: object) -> pb.Recipient:
        """Record a decision."""
        patient_id, consent = convert.record_consent(request, self._planning.clock.now())

        async def work(connection: AsyncConnection) -> pb.Recipient:
            unit, actor = self._unit(connection), current_caller().actor
            return convert.recipient_message(await use_cases.record_consent(patient_id, consent, unit, actor))

        return await self._writer.once(request, pb.Recipient, work)

    def _unit(self, connection: AsyncConnection) -> UnitOfWork:
        return self._units.on(connection, current_caller().organization)

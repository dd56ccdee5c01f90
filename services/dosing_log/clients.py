"""Events for the other services, written to the outbox in the transaction of what they tell of."""

from datetime import datetime
from uuid import UUID

from google.protobuf.message import Message
from sqlalchemy.ext.asyncio import AsyncConnection

from kat.events.v1.events_pb2 import (
    AssessmentRecorded,
    DoseAdministered,
    DoseAuthorized,
    DoseRecordAmended,
    PatientDischarged,
)
from services.dosing_log.domain.contents import Assessment, Content
from services.dosing_log.domain.records import RecordVersion
from services.dosing_log.domain.sessions import Session
from services.runtime.events.outbox import Outbox
from services.runtime.fields import timestamp
from services.runtime.names import format_name


class OutboxAnnouncer:
    """Announces what happened to sessions of one organization."""

    def __init__(self, connection: AsyncConnection, organization_id: UUID, outbox: Outbox) -> None:
        self._connection = connection
        self._organization_id = organization_id
        self._outbox = outbox

    async def dose_authorized(self, session_id: UUID, record_id: UUID) -> None:
        """Tell that a dose was authorized."""
        session = format_name("sessions", session_id)
        await self._tell(session, DoseAuthorized(session=session, authorization=format_name("records", record_id)))

    async def dose_administered(self, session: Session, record_id: UUID, start_time: datetime) -> None:
        """Tell that a dose was given."""
        name = format_name("sessions", session.session_id)
        event = DoseAdministered(
            session=name,
            patient=format_name("patients", session.patient_id),
            course=format_name("courses", session.course_id),
            administration=format_name("records", record_id),
            start_time=timestamp(start_time),
            time_zone=session.time_zone,
        )
        await self._tell(name, event)

    async def assessment_recorded(
        self, session: Session, version: RecordVersion[Content], assessment: Assessment
    ) -> None:
        """Tell the total of a version of an assessment, and none of its items."""
        name = format_name("sessions", session.session_id)
        event = AssessmentRecorded(
            session=name,
            patient=format_name("patients", session.patient_id),
            course=format_name("courses", session.course_id),
            assessment=format_name("records", version.record_id),
            version=version.version,
            instrument=assessment.instrument.name,
            total=assessment.total,
            observe_time=timestamp(version.event_time),
        )
        await self._tell(name, event)

    async def record_amended(self, session_id: UUID, record_id: UUID, version: int) -> None:
        """Tell that a record was amended."""
        session = format_name("sessions", session_id)
        record = format_name("records", record_id)
        await self._tell(session, DoseRecordAmended(record=record, version=version, session=session))

    async def patient_departed(self, session: Session, departure_time: datetime, *, against_advice: bool) -> None:
        """Tell that the patient left."""
        name = format_name("sessions", session.session_id)
        event = PatientDischarged(
            session=name,
            patient=format_name("patients", session.patient_id),
            departure_time=timestamp(departure_time),
            against_advice=against_advice,
            time_zone=session.time_zone,
            clinic=format_name("clinics", session.clinic_id),
        )
        await self._tell(name, event)

    async def _tell(self, session: str, event: Message) -> None:
        await self._outbox.append(self._connection, self._organization_id, aggregate=session, payload=event)

"""Events of other services as commands."""

from kat.events.v1 import events_pb2 as pb
from services.notifications.use_cases.planning import ChangeSession, NoteDeparture, SessionChange
from services.runtime.fields import Fields


def session_change(change: SessionChange, snapshot: pb.SessionSnapshot) -> ChangeSession:
    """Read a session after a change.

    Raises:
        InvalidArgumentError: with every fault.
    """
    fields = Fields()
    interval = snapshot.interval
    command = ChangeSession(
        change=change,
        session_id=fields.name("session.session", snapshot.session, "sessions"),
        patient_id=fields.name("session.patient", snapshot.patient, "patients"),
        clinic_id=fields.name("session.clinic", snapshot.clinic, "clinics"),
        revision=fields.integer("session.revision", snapshot.revision, 1, 2**31 - 1),
        start_time=fields.instant("session.interval.start_time", interval, "start_time"),
        end_time=fields.instant("session.interval.end_time", interval, "end_time"),
        time_zone=fields.time_zone("session.interval.time_zone", interval.time_zone),
    )
    fields.check()
    return command


def departure(message: pb.PatientDischarged) -> NoteDeparture:
    """Read a departure.

    Raises:
        InvalidArgumentError: with every fault.
    """
    fields = Fields()
    command = NoteDeparture(
        session_id=fields.name("session", message.session, "sessions"),
        patient_id=fields.name("patient", message.patient, "patients"),
        clinic_id=fields.name("clinic", message.clinic, "clinics"),
        departure_time=fields.instant("departure_time", message, "departure_time"),
        time_zone=fields.time_zone("time_zone", message.time_zone),
    )
    fields.check()
    return command

"""A date of birth that is corrected at the scheduler, and what the dose log makes of it."""

from datetime import date

import grpc
import pytest

from kat.dosing_log.v1 import dosing_log_pb2, records_pb2
from kat.scheduler.v1 import roster_pb2, session_pb2
from services.cli.demo.account import Account
from services.cli.demo.stage import Stage
from services.cli.demo.treatment import DOSE_MG, quantity
from services.runtime.fields import date_message
from services.runtime.status import status_from, violations_of


class Correction:
    """A patient of the day, their next session, and who asks."""

    def __init__(self, stage: Stage, day: Account) -> None:
        self._stage = stage
        self._names = day.names
        self._desk = stage.person("desk", "Desk", "clinic_system", "supervisor")
        self._nurse = stage.person("corrections-nurse", "Nurse", "clinician", credential="RN")

    async def patient(self) -> roster_pb2.Patient:
        request = roster_pb2.GetPatientRequest(name=self._names["patient"])
        return await self._stage.call(self._stage.roster.GetPatient, request, self._desk)

    async def correct(self, birth_date: date) -> None:
        patient = await self.patient()
        patient.birth_date.CopyFrom(date_message(birth_date))
        request = roster_pb2.UpdatePatientRequest(patient=patient)
        await self._stage.call(self._stage.roster.UpdatePatient, request, self._desk)

    async def next_session(self) -> session_pb2.Session:
        request = session_pb2.ListSessionsRequest(patient=self._names["patient"])
        sessions = (await self._stage.call(self._stage.sessions.ListSessions, request, self._desk)).sessions
        return next(one for one in sessions if one.state == session_pb2.Session.STATE_BOOKED)

    async def is_judged(self, *, under_age: bool) -> None:
        """Wait until the dose log judges a dose in the next session by that age."""
        session = await self.next_session()
        wanted = records_pb2.Authorization(
            order=self._names["order"], lot=self._names["lot"], dose=quantity(DOSE_MG, "mg")
        )

        async def look() -> bool | None:
            request = dosing_log_pb2.AuthorizeDoseRequest(session=session.name, authorization=wanted)
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await self._stage.call(self._stage.doses.AuthorizeDose, request, self._nurse)
            assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION, refused.value
            found = {code for code, _, _ in violations_of(status_from(refused.value))}
            return True if ("H3" in found) is under_age else None

        await self._stage.until("the dose log to hear of a date of birth", look)


async def test_the_dose_log_judges_age_by_the_date_of_birth_as_it_was_corrected(stage: Stage, day: Account) -> None:
    correction = Correction(stage, day)
    known = (await correction.patient()).birth_date
    await correction.is_judged(under_age=False)
    await correction.correct(date(stage.now().year - 10, 1, 1))
    await correction.is_judged(under_age=True)
    await correction.correct(date(known.year, known.month, known.day))
    await correction.is_judged(under_age=False)

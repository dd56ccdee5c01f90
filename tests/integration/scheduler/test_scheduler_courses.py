"""Protocols, enrolment and the review of screenings."""

from datetime import date

import pytest
from sqlalchemy.exc import DBAPIError

from kat.scheduler.v1 import course_pb2
from services.runtime.errors import (
    AbortedError,
    AlreadyExistsError,
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
)
from services.runtime.identifiers import new_id
from tests.integration.scheduler.desk import day

pytestmark = pytest.mark.external_postgres

State = course_pb2.Course.State
PREGNANCY = course_pb2.CONTRAINDICATION_PREGNANCY
HYPERSENSITIVITY = course_pb2.CONTRAINDICATION_HYPERSENSITIVITY


@pytest.fixture
async def patient(desk) -> str:
    return (await desk.open_clinic()).patients[0].name


async def test_protocols_are_installed_once_and_told_of_once(desk) -> None:
    install = desk.protocols.InstallDefaultProtocols
    first = await desk.call(install, course_pb2.InstallDefaultProtocolsRequest())
    second = await desk.call(install, course_pb2.InstallDefaultProtocolsRequest())
    assert first == second
    assert [one.code for one in first.protocols] == ["im_racemic", "iv_racemic", "sl_lozenge", "spravato_maintenance"]
    told = [event.protocol_installed.protocol for event in await desk.sent()]
    assert sorted(told, key=lambda one: one.code) == list(first.protocols)
    read = await desk.call(desk.protocols.GetProtocol, course_pb2.GetProtocolRequest(name=first.protocols[1].name))
    assert read == first.protocols[1]
    request = course_pb2.ListProtocolsRequest(code="sl_lozenge")
    assert list((await desk.call(desk.protocols.ListProtocols, request)).protocols) == [first.protocols[2]]


async def test_a_protocol_never_changes(desk, patient) -> None:
    await desk.protocol()
    with pytest.raises(DBAPIError):
        await desk.execute("update protocol set limits = '{}'")


async def test_an_accepted_screening_activates_the_course(desk, patient) -> None:
    draft = await desk.enroll(patient)
    assert (draft.state, draft.session_count) == (State.STATE_DRAFT, 0)
    assert (draft.session_cap, draft.session_maximum) == (6, 12)
    assert (draft.review.review_due, draft.review.sessions_until_review) == (False, 3)
    assert draft.enroller.subject == desk.caller.actor.subject
    active = await desk.review(draft)
    assert active.state == State.STATE_ACTIVE
    assert active.reviewer.printed_name == desk.caller.actor.printed_name
    assert active.etag != draft.etag
    event = (await desk.sent())[-1]
    assert event.aggregate == active.name
    assert event.course_activated.adult_date == day(date(1998, 5, 17))
    assert event.course_activated.consent_expire_date == day(date(2026, 8, 1))
    assert await desk.call(desk.courses.GetCourse, course_pb2.GetCourseRequest(name=active.name)) == active


async def test_one_open_course_for_each_protocol(desk, patient) -> None:
    first = await desk.enroll(patient)
    with pytest.raises(AlreadyExistsError) as exists:
        await desk.enroll(patient)
    assert exists.value.metadata == {"course": first.name}
    await desk.enroll(patient, code="im_racemic")
    await desk.review(first, accept=False, reason="not now")
    again = await desk.enroll(patient)
    listed = await desk.call(desk.courses.ListCourses, course_pb2.ListCoursesRequest(patient=patient, page_size=2))
    assert listed.courses[0].name == again.name
    assert listed.next_page_token


async def test_every_reason_against_acceptance_at_once(desk, clock, patient) -> None:
    draft = await desk.enroll(
        patient,
        contraindications=[HYPERSENSITIVITY, course_pb2.CONTRAINDICATION_INTRACEREBRAL_HAEMORRHAGE],
        consent_expire_date=day(date(2026, 3, 1)),
    )
    await desk.execute("update patient set birth_date = '2010-01-01'")
    with pytest.raises(FailedPreconditionError) as refused:
        await desk.review(draft, reason="it would be accepted otherwise")
    codes = {blocker.code for blocker in refused.value.blockers}
    assert codes == {"CONTRAINDICATION", "CONSENT_MISSING", "UNDER_AGE"}
    assert "2010" not in refused.value.message
    declined = await desk.review(draft, accept=False, reason="contraindicated")
    assert declined.state == State.STATE_REVOKED


@pytest.mark.parametrize(("now", "accepted"), [("2026-05-17T03:59", False), ("2026-05-17T04:01", True)])
async def test_the_patient_is_of_age_on_their_birthday_in_their_zone(desk, clock, patient, now, accepted) -> None:
    await desk.execute("update patient set birth_date = '2008-05-17'")
    draft = await desk.enroll(patient)
    clock.set(clock.now().fromisoformat(f"{now}+00:00"))
    if accepted:
        assert (await desk.review(draft)).state == State.STATE_ACTIVE
    else:
        with pytest.raises(FailedPreconditionError, match="younger than 18"):
            await desk.review(draft)


async def test_a_relative_contraindication_needs_a_reason(desk, patient) -> None:
    draft = await desk.enroll(patient, contraindications=[PREGNANCY])
    with pytest.raises(InvalidArgumentError, match="reason: write why this is accepted: PREGNANCY"):
        await desk.review(draft)
    await desk.review(draft, reason="weighed with the patient")
    assert list((await desk.sent())[-1].course_activated.contraindications) == ["PREGNANCY"]


async def test_a_review_needs_the_course_as_it_is(desk, patient) -> None:
    draft = await desk.enroll(patient)
    reviewed = await desk.review(draft)
    with pytest.raises(AbortedError, match="changed"):
        await desk.review(draft)
    draft.etag = reviewed.etag
    with pytest.raises(FailedPreconditionError, match="active"):
        await desk.review(draft)
    with pytest.raises(InvalidArgumentError, match="reason"):
        await desk.review(draft, accept=False)


async def test_a_consent_is_not_valid_for_longer_than_half_a_year(desk, patient) -> None:
    with pytest.raises(InvalidArgumentError, match=r"screening\.consent_expire_date"):
        await desk.enroll(patient, consent_expire_date=day(date(2026, 8, 30)))


async def test_faults_of_an_enrolment_are_named_together(desk) -> None:
    request = course_pb2.EnrollPatientRequest(
        patient="patients/1",
        protocol=f"protocols/{new_id()}",
        screening=course_pb2.Screening(contraindications=[99], prior_treatment_trials=-1),
    )
    with pytest.raises(InvalidArgumentError) as faulty:
        await desk.call(desk.courses.EnrollPatient, request)
    assert {fault.path for fault in faulty.value.violations} == {
        "patient",
        "screening.contraindications[0]",
        "screening.prior_treatment_trials",
        "screening.consent_reference",
        "screening.consent_expire_date",
    }
    with pytest.raises(NotFoundError, match="patients/"):
        await desk.enroll(f"patients/{new_id()}")

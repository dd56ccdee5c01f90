"""Nothing is changed: versions, their differences, and the view as of any recorded time."""

import asyncio
from decimal import Decimal

import pytest
from sqlalchemy import select

from kat.dosing_log.v1 import dosing_log_pb2 as pb
from kat.dosing_log.v1 import records_pb2 as rec
from kat.events.v1.events_pb2 import AssessmentRecorded, Event
from services.dosing_log.storage.tables import RUNTIME
from services.runtime.errors import AbortedError, DomainError, FailedPreconditionError, PermissionDeniedError
from services.runtime.fields import timestamp
from tests.integration.dosing_log.clinic import TREATMENT, quantity
from tests.integration.dosing_log.test_dosing_day import events_of


def amendment(record, *, reason: str = "the syringe was read again", **content) -> pb.AmendRecordRequest:
    amended = rec.Record(name=record.name, etag=record.etag, event_time=record.event_time, **content)
    return pb.AmendRecordRequest(record=amended, reason=reason)


async def amend(clinic, caller, record, **content):
    return await clinic.call(caller, clinic.doses.AmendRecord, amendment(record, **content))


async def given_dose(clinic):
    lot = await clinic.receive()
    visit = await (await clinic.enrol()).book()
    return visit, lot, await visit.give(await visit.prepare(), lot)


async def test_an_amended_dose_has_a_history_and_a_view_as_of_then(clinic):
    visit, lot, given = await given_dose(clinic)
    before = clinic.clock.now()
    clinic.clock.advance(minutes=5)
    corrected = rec.Administration()
    corrected.CopyFrom(given.administration)
    corrected.given.value, corrected.wasted.value = "34.5", "15.5"
    amended = await amend(clinic, clinic.nurse, given, administration=corrected)
    assert (amended.version, amended.amendment_reason) == (2, "the syringe was read again")
    assert amended.recorder.subject == clinic.nurse.actor.subject
    assert amended.etag != given.etag
    assert await clinic.balance(lot) == Decimal("465.5")

    request = pb.ListRecordVersionsRequest(name=given.name, purpose=TREATMENT)
    history = await clinic.call(clinic.nurse, clinic.records.ListRecordVersions, request)
    assert [(d.path, d.before, d.after) for d in history.versions[1].differences] == [
        ("given.mg", "35", "34.5"),
        ("given.value", "35", "34.5"),
        ("wasted.mg", "15", "15.5"),
        ("wasted.value", "15", "15.5"),
    ]
    as_of = pb.GetRecordRequest(name=given.name, purpose=TREATMENT, read_time=timestamp(before))
    assert (await clinic.call(clinic.nurse, clinic.records.GetRecord, as_of)).version == 1
    assert (await clinic.get(clinic.nurse, given)).version == 2
    listing = pb.ListRecordsRequest(session=visit.name, purpose=TREATMENT)
    listed = await clinic.call(clinic.nurse, clinic.records.ListRecords, listing)
    assert [record.version for record in listed.records if record.HasField("administration")] == [2]
    assert (await events_of(clinic))[-1] == "dose_record_amended"


async def test_versions_come_page_by_page_with_their_differences(clinic):
    visit = await (await clinic.enrol()).book()
    record = await visit.vitals()
    for systolic in (121, 122, 123):
        record = await amend(
            clinic, clinic.nurse, record, vital_signs=visit.vitals_content(systolic=quantity(systolic, "mm[Hg]"))
        )
    seen, token = [], ""
    while True:
        request = pb.ListRecordVersionsRequest(name=record.name, purpose=TREATMENT, page_size=2, page_token=token)
        page = await clinic.call(clinic.nurse, clinic.records.ListRecordVersions, request)
        seen += [(v.record.version, [d.after for d in v.differences]) for v in page.versions]
        token = page.next_page_token
        if not token:
            break
    assert seen == [(1, []), (2, ["121"]), (3, ["122"]), (4, ["123"])]


async def test_records_come_page_by_page_by_event_time(clinic):
    patient = await clinic.enrol()
    visit = await patient.book()
    names = []
    for _ in range(5):
        names.append((await visit.vitals()).name)
        clinic.clock.advance(minutes=1)
    seen, token = [], ""
    while True:
        request = pb.ListRecordsRequest(patient=patient.name, purpose=TREATMENT, page_size=2, page_token=token)
        page = await clinic.call(clinic.nurse, clinic.records.ListRecords, request)
        seen += [record.name for record in page.records]
        token = page.next_page_token
        if not token:
            break
    assert seen == names


async def test_a_dose_that_began_at_another_time_is_announced_anew(clinic):
    _, _, given = await given_dose(clinic)
    corrected = rec.Administration()
    corrected.CopyFrom(given.administration)
    corrected.start_time.seconds -= 60
    await amend(clinic, clinic.nurse, given, administration=corrected)
    assert (await events_of(clinic))[-2:] == ["dose_record_amended", "dose_administered"]


async def test_a_score_is_told_with_every_version_and_without_its_items(clinic):
    visit = await (await clinic.enrol()).book()
    taken = await visit.assess(rec.Assessment.INSTRUMENT_PHQ_9, [2] * 9)
    assessment = rec.Assessment(instrument=rec.Assessment.INSTRUMENT_PHQ_9, items=[2] * 8 + [1])
    await amend(clinic, clinic.nurse, taken, assessment=assessment)
    outbox = RUNTIME.outbox
    async with clinic.database.transaction(clinic.organization_id) as connection:
        rows = await connection.execute(select(outbox.c.event).order_by(outbox.c.aggregate_version))
        events = [Event.FromString(row.event) for row in rows]
    first, amended, second = events
    assert amended.HasField("dose_record_amended")
    told = AssessmentRecorded(
        session=visit.name,
        patient=visit.patient.name,
        course=visit.patient.course,
        assessment=taken.name,
        version=1,
        instrument="PHQ_9",
        total=18,
        observe_time=taken.event_time,
    )
    assert first.assessment_recorded == told
    told.version, told.total = 2, 17
    assert second.assessment_recorded == told


async def test_a_dose_from_another_lot_puts_the_drug_back(clinic):
    _, lot, given = await given_dose(clinic)
    other = await clinic.receive(lot_number="B2")
    corrected = rec.Administration()
    corrected.CopyFrom(given.administration)
    corrected.lot = other
    amended = await amend(clinic, clinic.nurse, given, administration=corrected)
    assert await clinic.balance(lot) == Decimal(500)
    assert await clinic.balance(other) == Decimal(465)
    assert "D4" in {finding.code for finding in amended.findings}


async def test_of_two_amendments_at_once_one_is_stale(clinic):
    visit = await (await clinic.enrol()).book()
    record = await visit.vitals()
    content = visit.vitals_content(systolic=quantity(130, "mm[Hg]"))
    done = await asyncio.gather(
        *(amend(clinic, clinic.nurse, record, vital_signs=content) for _ in range(4)), return_exceptions=True
    )
    assert sorted(type(result).__name__ for result in done) == ["Record"] + ["StaleRecordError"] * 3
    assert all(isinstance(result, AbortedError) for result in done if isinstance(result, DomainError))


async def test_what_may_not_be_amended_and_by_whom(clinic):
    lot = await clinic.receive()
    visit = await (await clinic.enrol()).book()
    order = await visit.prepare()
    authorization = await visit.authorize(order, lot)
    with pytest.raises(FailedPreconditionError) as fixed:
        await amend(clinic, clinic.physician, authorization, authorization=authorization.authorization)
    assert fixed.value.reason == "AUTHORIZATION_FIXED"
    with pytest.raises(PermissionDeniedError) as denied:
        await amend(clinic, clinic.nurse, order, order=visit.order_content(dose="60"))
    assert denied.value.reason == "AMENDMENT_DENIED"
    vitals = await visit.vitals()
    with pytest.raises(DomainError, match="vital_signs"):
        await amend(clinic, clinic.nurse, vitals, departure=rec.Departure(against_advice=True))
    with pytest.raises(AbortedError):
        vitals.etag = "9-9"
        await amend(clinic, clinic.nurse, vitals, vital_signs=visit.vitals_content())


async def test_signatures_stay_on_the_version_that_they_were_made_on(clinic):
    visit = await (await clinic.enrol()).book()
    signed = await clinic.sign(clinic.nurse, await visit.vitals(), rec.Signature.MEANING_AUTHORED)
    amended = await amend(clinic, clinic.nurse, signed, vital_signs=visit.vitals_content(moaa_s=4))
    assert not amended.signatures
    request = pb.ListRecordVersionsRequest(name=signed.name, purpose=TREATMENT)
    history = await clinic.call(clinic.nurse, clinic.records.ListRecordVersions, request)
    assert [len(version.record.signatures) for version in history.versions] == [1, 0]


async def test_a_wasted_amount_is_corrected_on_the_book(clinic):
    lot = await clinic.receive()
    visit = await (await clinic.enrol()).book()
    content = rec.Wastage(
        lot=lot,
        amount=quantity(10, "mg"),
        kind=rec.Wastage.KIND_SPILL,
        method="wiped",
        location="room 1",
        witness_subject=clinic.witness.actor.subject,
    )
    request = pb.RecordWastageRequest(session=visit.name, event_time=visit.now(), wastage=content)
    spill = await clinic.call(clinic.nurse, clinic.doses.RecordWastage, request)
    content.amount.value = "12.5"
    await amend(clinic, clinic.physician, spill, wastage=content)
    assert await clinic.balance(lot) == Decimal("487.5")
    content.amount.value = "0.5"
    await amend(clinic, clinic.nurse, await clinic.get(clinic.nurse, spill), wastage=content)
    assert await clinic.balance(lot) == Decimal("499.5")

"""Providers, contacts and workers that fail, and changes that race the send."""

import asyncio
from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import text

from kat.notifications.v1 import notifications_pb2 as pb
from services.notifications.domain.delivery import SendOutcome, Verdict
from services.notifications.storage.work import WorkQueue
from services.notifications.use_cases.sending import Sending, may_still_go, prepare, settle
from services.runtime.database import ALL_ORGANIZATIONS
from services.runtime.fields import timestamp
from services.runtime.identifiers import new_id
from tests.integration.notifications.post_office import COMPOSER, PostOffice, new_york, send_all
from tests.integration.notifications.smtp_servers import Provider

pytestmark = pytest.mark.external_postgres

START = new_york(2026, 3, 12, 15)


async def _outcomes(office: PostOffice, rule: str) -> list[str]:
    return [attempt.outcome for found in await office.listed() if found.rule == rule for attempt in found.attempts]


async def test_three_senders_at_once_send_each_message_once(office, provider):
    patients = [await office.new_patient(f"p{number}@example.org") for number in range(40)]
    for patient in patients:
        await office.book(patient, START)
    senders = [office.sender(provider.port, batch=7) for _ in range(3)]
    assert await send_all(*senders) == 40
    assert Counter(str(message["To"]) for message in provider.received) == Counter(
        f"p{number}@example.org" for number in range(40)
    )


async def test_a_server_that_takes_the_message_and_drops_gets_it_again_under_the_same_id(office, provider, clock):
    await office.book(await office.new_patient(), START)
    provider.data_answers = ["drop"]
    sender = office.sender(provider.port)
    await send_all(sender)
    assert (await office.states())["booked/1"] == ("PLANNED", "ANSWER_LOST")
    clock.advance(minutes=1)
    await send_all(sender)
    first, second = provider.received
    assert first["Message-ID"] == second["Message-ID"]
    assert (await office.states())["booked/1"] == ("ACCEPTED", "")
    assert await _outcomes(office, "booked") == ["ANSWER_LOST", "SMTP_250"]


async def test_a_second_lost_answer_is_left_to_staff(office, provider, clock):
    await office.book(await office.new_patient(), START)
    provider.data_answers = ["drop", "drop"]
    for _ in range(3):
        await send_all(office.sender(provider.port))
        clock.advance(minutes=10)
    assert len(provider.received) == 2
    assert (await office.states())["booked/1"] == ("AMBIGUOUS", "ANSWER_LOST")
    (task,) = await office.tasks()
    assert (task.code, task.notification != "") == ("AMBIGUOUS_SEND", True)


async def test_a_reminder_whose_answer_was_lost_is_not_repeated(office, provider, clock):
    await office.book(await office.new_patient(), START)
    await send_all(office.sender(provider.port))
    clock.set(new_york(2026, 3, 11, 10))
    provider.data_answers = ["drop"]
    await send_all(office.sender(provider.port))
    clock.advance(minutes=30)
    await send_all(office.sender(provider.port))
    assert len(provider.received) == 2
    assert (await office.states())["24h_before/1"] == ("AMBIGUOUS", "ANSWER_LOST")
    assert [task.code for task in await office.tasks()] == ["AMBIGUOUS_SEND"]


async def test_a_server_that_hangs_after_the_message_counts_as_a_lost_answer(office, provider):
    await office.book(await office.new_patient(), START)
    released = asyncio.Event()
    provider.on_data = [lambda: asyncio.wait_for(released.wait(), 10)]
    await office.sender(provider.port, seconds=0.3).send_due()
    released.set()
    assert (await office.states())["booked/1"] == ("PLANNED", "ANSWER_LOST")


async def test_while_the_server_is_down_messages_wait_and_then_go_out(office, clock):
    await office.book(await office.new_patient(), START)
    provider = Provider()
    async with provider.running() as port:
        pass
    for _ in range(4):
        await send_all(office.sender(port))
        clock.advance(minutes=15)
    assert (await office.states())["booked/1"] == ("PLANNED", "PROVIDER_UNAVAILABLE")
    assert await _outcomes(office, "booked") == ["NOT_CONNECTED"] * 4
    async with provider.running(port):
        await send_all(office.sender(port))
    assert len(provider.received) == 1
    assert (await office.states())["booked/1"] == ("ACCEPTED", "")


async def test_a_server_that_stays_down_ends_in_a_task_with_the_reason(office, provider, clock):
    await office.book(await office.new_patient(), START)
    async with Provider().running() as port:
        pass
    await send_all(office.sender(port))
    clock.set(START)
    await send_all(office.sender(port))
    assert (await office.states())["booked/1"] == ("EXPIRED", "PROVIDER_UNAVAILABLE")
    assert [task.code for task in await office.tasks()] == ["UNDELIVERABLE"]


@pytest.mark.parametrize("answer", ["450 mailbox busy", "451 try later"])
async def test_a_passing_refusal_is_tried_again(office, provider, clock, answer):
    await office.book(await office.new_patient(), START)
    provider.data_answers = [answer]
    await send_all(office.sender(provider.port))
    clock.advance(minutes=1)
    await send_all(office.sender(provider.port))
    assert len(provider.received) == 1
    assert await _outcomes(office, "booked") == [f"SMTP_{answer[:3]}", "SMTP_250"]


async def test_one_bad_address_in_a_batch_fails_at_once_and_alone(office, provider, clock):
    patients = [await office.new_patient(f"p{number}@example.org") for number in range(5)]
    for patient in patients:
        await office.book(patient, START)
    provider.refused["p2@example.org"] = "550 no such user"
    await send_all(office.sender(provider.port))
    clock.advance(hours=2)
    await send_all(office.sender(provider.port))
    assert len(provider.received) == 4
    assert (await office.states(patient=patients[2]))["booked/1"] == ("FAILED", "REFUSED_BY_PROVIDER")
    (task,) = await office.tasks()
    assert (task.code, task.patient) == ("UNDELIVERABLE", patients[2])
    assert "p2@example.org" not in str(task) + str(await office.listed())


async def test_one_contact_that_cannot_be_decrypted_fails_alone(office, provider):
    bad, good = await office.new_patient("bad@example.org"), await office.new_patient("good@example.org")
    for patient in (bad, good):
        await office.book(patient, START)
    async with office.database.transaction(office.organization_id) as connection:
        await connection.execute(
            text(
                "update contact_point set value = set_byte(value, 20, get_byte(value, 20) # 1) where patient_id = :id"
            ),
            {"id": bad.removeprefix("patients/")},
        )
    await send_all(office.sender(provider.port))
    assert provider.subjects("good@example.org")
    assert (await office.states(patient=bad))["booked/1"] == ("FAILED", "CONTACT_UNREADABLE")


async def test_one_template_that_is_not_there_stops_nothing_else(office, provider, clock):
    bad, good = await office.new_patient("bad@example.org"), await office.new_patient("good@example.org")
    for patient in (bad, good):
        await office.book(patient, START)
    async with office.database.transaction(office.organization_id) as connection:
        await connection.execute(
            text("update notification set template_version = 99 where patient_id = :id and rule = 'booked'"),
            {"id": bad.removeprefix("patients/")},
        )
    await send_all(office.sender(provider.port))
    assert provider.subjects("good@example.org")
    assert (await office.states(patient=bad))["booked/1"] == ("PLANNED", "PREPARATION_FAILED")
    clock.set(START)
    await send_all(office.sender(provider.port))
    assert (await office.states(patient=bad))["booked/1"] == ("EXPIRED", "PREPARATION_FAILED")


async def test_what_would_tell_too_much_is_kept_back(office, provider):
    await office.book(await office.new_patient(), START)
    async with office.database.transaction(office.organization_id) as connection:
        await connection.execute(text("update sender_profile set short_name = 'Ketamine Clinic'"))
    await send_all(office.sender(provider.port))
    assert provider.received == []
    assert (await office.states())["booked/1"] == ("SUPPRESSED", "BLOCKED_TERM")
    assert [task.code for task in await office.tasks()] == ["UNDELIVERABLE"]


async def test_a_flood_ends_at_the_cap(office, provider):
    patient = await office.new_patient()
    for day in range(6):
        await office.book(patient, START + timedelta(days=day))
    for _ in range(6):
        await office.sender(provider.port, cap=4, batch=1).send_due()
    assert len(provider.received) == 4
    assert [found.state_reason for found in await office.listed()].count("CAP_REACHED") == 2


async def test_a_cancellation_in_the_middle_of_a_send_withholds_it(office, provider):
    session = await office.book(await office.new_patient(), START)
    provider.on_recipient = [lambda: office.cancel(session)]
    sender = office.sender(provider.port, batch=1)
    await sender.send_due()
    assert provider.received == []
    assert (await office.states())["booked/1"] == ("CANCELLED", "SESSION_CHANGED")
    assert await _outcomes(office, "booked") == ["WITHHELD"]
    await send_all(sender)
    assert provider.subjects() == ["Your appointment on Thursday, March 12, 2026 is cancelled"]


async def test_a_move_in_the_middle_of_a_send_sends_the_new_time_alone(office, provider):
    session = await office.book(await office.new_patient(), START)

    async def move() -> None:
        await office.move(session, START + timedelta(days=1))

    provider.on_recipient = [move]
    await send_all(office.sender(provider.port))
    assert provider.subjects() == ["Your appointment was moved to Friday, March 13, 2026"]


async def test_a_withdrawal_in_the_middle_of_a_send_withholds_it(office, provider, clock):
    patient = await office.new_patient()
    await office.book(patient, START)

    async def withdraw() -> None:
        consent = pb.Consent(
            channel=pb.CHANNEL_EMAIL,
            purpose=pb.CONSENT_PURPOSE_APPOINTMENTS,
            granted=False,
            source="phone call",
            decision_time=timestamp(clock.now()),
        )
        request = pb.RecordConsentRequest(name=patient.replace("patients/", "recipients/"), consent=consent)
        await office.call(office.recipients.RecordConsent, request)

    provider.on_recipient = [withdraw]
    await send_all(office.sender(provider.port))
    assert provider.received == []
    assert (await office.states())["booked/1"] == ("SUPPRESSED", "CONSENT_WITHDRAWN")


async def test_many_cancellations_racing_three_senders_leave_no_confirmation_after_the_cancellation(office, provider):
    sessions = [await office.book(await office.new_patient(f"p{n}@example.org"), START) for n in range(12)]
    senders = [office.sender(provider.port, batch=4) for _ in range(3)]
    await asyncio.gather(send_all(*senders), *(office.cancel(session) for session in sessions))
    await send_all(*senders)
    for number in range(12):
        subjects = provider.subjects(f"p{number}@example.org")
        assert subjects[-1].endswith("is cancelled")
        assert len(subjects) == len(set(subjects)) <= 2


def _sending(office: PostOffice) -> Sending:
    return Sending(clock=office.clock, composer=COMPOSER, daily_cap=40, jitter=lambda: 0.5)


async def _claim_and_prepare(office: PostOffice, lease: timedelta):
    async with office.database.transaction(ALL_ORGANIZATIONS) as connection:
        (claimed,) = await WorkQueue(lease).claim(connection, now=office.clock.now(), limit=1)
    async with office.units.transaction(office.organization_id) as unit:
        return await prepare(claimed, unit, _sending(office))


async def test_a_worker_that_died_while_sending_leaves_an_unknown_outcome_that_is_repeated_once(
    office, provider, clock
):
    await office.book(await office.new_patient(), START)
    dead = await _claim_and_prepare(office, timedelta())
    assert dead is not None
    await send_all(office.sender(provider.port))
    assert (await office.states())["booked/1"] == ("PLANNED", "ANSWER_LOST")
    clock.advance(minutes=1)
    await send_all(office.sender(provider.port))
    assert len(provider.received) == 1
    assert provider.received[0]["Message-ID"].encode() in dead.envelope.content
    assert await _outcomes(office, "booked") == ["CUT_OFF", "SMTP_250"]


async def test_a_worker_that_was_paused_past_its_lease_writes_nothing_more(office, provider, clock):
    await office.book(await office.new_patient(), START)
    paused = await _claim_and_prepare(office, timedelta())
    assert paused is not None
    await send_all(office.sender(provider.port))
    clock.advance(minutes=1)
    await send_all(office.sender(provider.port))
    before = await office.listed()
    async with office.units.transaction(office.organization_id) as unit:
        assert not await may_still_go(paused, unit, _sending(office))
    async with office.units.transaction(office.organization_id) as unit:
        await settle(paused, SendOutcome(Verdict.REFUSED, "SMTP_550"), unit, _sending(office))
    assert await office.listed() == before


async def test_a_claim_that_died_before_sending_is_taken_up_again(office, provider):
    await office.book(await office.new_patient(), START)
    async with office.database.transaction(ALL_ORGANIZATIONS) as connection:
        assert len(await WorkQueue(timedelta()).claim(connection, now=office.clock.now(), limit=1)) == 1
    await send_all(office.sender(provider.port))
    assert await _outcomes(office, "booked") == ["SMTP_250"]


async def test_a_clinic_with_much_to_send_does_not_keep_another_waiting(office, provider, database, clock):
    small = PostOffice(database, clock, organization_id=new_id())
    for number in range(20):
        await office.book(await office.new_patient(f"big{number}@example.org"), START)
    for number in range(2):
        await small.book(await small.new_patient(f"small{number}@example.org"), START)
    await office.sender(provider.port, batch=6).send_due()
    assert len(provider.subjects("small0@example.org") + provider.subjects("small1@example.org")) == 2
    assert len(provider.received) == 6

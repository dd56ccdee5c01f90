"""What the database keeps whatever the code does, and what callers get."""

from datetime import timedelta

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from kat.notifications.v1 import notifications_pb2 as pb
from services.notifications.errors import ContactPointKnownError, StaleTaskError, TaskResolvedError
from services.notifications.storage.tables import METADATA
from services.runtime.database import ALL_ORGANIZATIONS
from services.runtime.errors import AlreadyExistsError, InvalidArgumentError, NotFoundError
from services.runtime.fields import timestamp
from services.runtime.identifiers import new_id
from tests.integration.notifications.post_office import PostOffice, new_york, send_all

pytestmark = pytest.mark.external_postgres

START = new_york(2026, 3, 12, 15)
TABLES = (
    "recipient",
    "contact_point",
    "consent",
    "sender_profile",
    "session",
    "attempt",
    "attempt_outcome",
    "staff_task",
)


async def _count(office: PostOffice, table: str) -> int:
    async with office.database.transaction(office.organization_id) as connection:
        return int((await connection.execute(text(f"select count(*) from {table}"))).scalar_one())  # noqa: S608


async def test_models_equal_migrations(notifications_urls):
    engine = create_async_engine(notifications_urls.owner_url)

    def differences(connection: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), METADATA))

    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await engine.dispose()


async def test_another_organization_sees_nothing_and_a_worker_sees_work_alone(office, provider, database, clock):
    phone = [pb.ContactPoint(channel=pb.CHANNEL_SMS, value="+12125550114")]
    for patient in (await office.new_patient(), await office.new_patient(contact_points=phone)):
        await office.book(patient, START)
    await send_all(office.sender(provider.port))
    other = PostOffice(database, clock)
    for table in (*TABLES, "notification"):
        assert await _count(office, table) > 0
        assert await _count(other, table) == 0
    async with database.transaction(ALL_ORGANIZATIONS) as connection:
        for table in TABLES:
            assert (await connection.execute(text(f"select count(*) from {table}"))).scalar_one() == 0  # noqa: S608
    assert await other.listed() == []
    found = (await office.listed())[0]
    with pytest.raises(NotFoundError):
        await other.call(other.notifications.GetNotification, pb.GetNotificationRequest(name=found.name))


@pytest.mark.parametrize("table", ["consent", "attempt", "attempt_outcome"])
@pytest.mark.parametrize(
    "change", ["update {0} set organization_id = organization_id", "delete from {0}", "truncate {0} cascade"]
)
async def test_history_cannot_be_changed_by_the_service_nor_by_the_owner(
    office, provider, notifications_urls, table, change
):
    await office.book(await office.new_patient(), START)
    await send_all(office.sender(provider.port))
    with pytest.raises(DBAPIError):
        async with office.database.transaction(office.organization_id) as connection:
            await connection.execute(text(change.format(table)))
    owner = create_async_engine(notifications_urls.owner_url)
    with pytest.raises(DBAPIError, match="append-only"):
        async with owner.begin() as connection:
            scope = text("select set_config('kat.organization_id', :id, true)")
            await connection.execute(scope, {"id": str(office.organization_id)})
            await connection.execute(text(change.format(table)))
    await owner.dispose()


async def test_a_notification_exists_once_whoever_inserts_it(office):
    await office.book(await office.new_patient(), START)
    copy = (
        "insert into notification select organization_id, gen_random_uuid(), patient_id, session_id, session_revision, "
        "clinic_id, template_code, template_version, rule, channel, state, state_reason, ideal_time, due_time, "
        "expire_time, create_time, message_id, may_have_been_sent, send_time, steps, lease_until, fence, attempts, "
        "parked_reason from notification"
    )
    with pytest.raises(DBAPIError, match="notification_once"):
        async with office.database.transaction(office.organization_id) as connection:
            await connection.execute(text(copy))


async def test_contact_data_is_not_readable_in_the_database(office):
    await office.new_patient("canary@example.org", display_name="Canaria")
    async with office.database.transaction(office.organization_id) as connection:
        for table in ("recipient", "contact_point", "request"):
            for row in await connection.execute(text(f"select t::text from {table} t")):  # noqa: S608
                stored = row[0].replace("\\\\x", "")
                for canary in ("canary@example.org", "Canaria"):
                    assert canary not in stored
                    assert canary.encode().hex() not in stored


async def test_nothing_that_a_request_is_remembered_by_shows_contact_data(office):
    patient = office.patient()
    await office.import_patients(patient)
    point = pb.ContactPoint(channel=pb.CHANNEL_EMAIL, value="second@example.org")
    request = pb.AddContactPointRequest(request_id=str(new_id()), name=patient.name, contact_point=point)
    answer = await office.call(office.recipients.AddContactPoint, request)
    assert await office.call(office.recipients.AddContactPoint, request) == answer
    async with office.database.transaction(office.organization_id) as connection:
        rows = (await connection.execute(text("select fingerprint || answer from request"))).scalars().all()
    assert rows
    assert not [row for row in rows if b"example.org" in row or b"Nora" in row]


async def test_an_import_is_all_or_nothing(office):
    good, bad = office.patient(), office.patient(time_zone="Mars/Olympus")
    with pytest.raises(InvalidArgumentError) as caught:
        await office.import_patients(good, bad)
    assert [violation.path for violation in caught.value.violations] == ["recipients[1].time_zone"]
    assert await _count(office, "recipient") == await _count(office, "sender_profile") == 0


async def test_a_validated_import_writes_nothing(office):
    request = pb.ImportRecipientsRequest(validate_only=True, recipients=[office.patient(), office.patient()])
    answer = await office.call(office.recipients.ImportRecipients, request)
    assert answer.recipient_count == 2
    assert await _count(office, "recipient") == await _count(office, "request") == 0


async def test_the_same_import_again_adds_nothing_and_changes_are_taken_over(office):
    patient = office.patient()
    await office.import_patients(patient)
    patient.display_name = "Nora Anne"
    patient.contact_points.add(channel=pb.CHANNEL_SMS, value="+12125550111")
    answer = await office.import_patients(patient)
    assert (answer.recipient_count, answer.sender_profile_count) == (1, 1)
    assert await _count(office, "contact_point") == 2
    assert await _count(office, "consent") == 2
    found = await office.call(office.recipients.GetRecipient, pb.GetRecipientRequest(name=patient.name))
    assert found.display_name == "Nora Anne"
    assert {point.value for point in found.contact_points} == {"nora@example.org", "+12125550111"}


async def test_an_import_of_a_whole_clinic_group_is_quick_enough(office):
    answer = await office.import_patients(*(office.patient(f"p{number}@example.org") for number in range(5_000)))
    assert answer.recipient_count == 5_000
    assert await _count(office, "contact_point") == 5_000


async def test_who_verified_a_contact_point_is_recorded(office):
    patient = office.patient(contact_points=[])
    await office.import_patients(patient)
    point = pb.ContactPoint(channel=pb.CHANNEL_EMAIL, value="Nora@EXAMPLE.org")
    add = pb.AddContactPointRequest(name=patient.name, contact_point=point)
    added = await office.call(office.recipients.AddContactPoint, add)
    assert not added.contact_points[0].HasField("verify_time")
    verify = pb.VerifyContactPointRequest(name=added.contact_points[0].name)
    verified = await office.call(office.recipients.VerifyContactPoint, verify)
    assert verified.contact_points[0].verify_time == timestamp(office.clock.now())
    assert verified.etag != added.etag
    async with office.database.transaction(office.organization_id) as connection:
        row = (await connection.execute(text("select verify_source, verified_by from contact_point"))).one()
    assert tuple(row) == ("staff", office.caller.actor.subject)
    with pytest.raises(ContactPointKnownError):
        await office.call(
            office.recipients.AddContactPoint, pb.AddContactPointRequest(name=patient.name, contact_point=point)
        )
    with pytest.raises(NotFoundError):
        name = f"{patient.name}/contactPoints/{new_id()}"
        await office.call(office.recipients.VerifyContactPoint, pb.VerifyContactPointRequest(name=name))


async def test_the_history_of_consent_is_kept_and_the_newest_decision_holds(office, clock):
    patient = office.patient()
    await office.import_patients(patient)
    for days, granted in ((1, False), (3, True)):  # the second is older than the first
        consent = pb.Consent(
            channel=pb.CHANNEL_EMAIL,
            purpose=pb.CONSENT_PURPOSE_APPOINTMENTS,
            granted=granted,
            source="phone call",
            decision_time=timestamp(clock.now() - timedelta(days=days)),
        )
        request = pb.RecordConsentRequest(name=patient.name, consent=consent)
        recipient = await office.call(office.recipients.RecordConsent, request)
    holds = {consent.purpose: consent.granted for consent in recipient.consents}
    assert holds == {pb.CONSENT_PURPOSE_APPOINTMENTS: False, pb.CONSENT_PURPOSE_AFTERCARE: True}
    assert await _count(office, "consent") == 4


async def test_nothing_is_recorded_about_people_who_are_not_there(office):
    name = f"recipients/{new_id()}"
    consent = office.patient().consents[0]
    point = pb.ContactPoint(channel=pb.CHANNEL_EMAIL, value="a@example.org")
    for method, request in (
        (office.recipients.GetRecipient, pb.GetRecipientRequest(name=name)),
        (office.recipients.AddContactPoint, pb.AddContactPointRequest(name=name, contact_point=point)),
        (office.recipients.RecordConsent, pb.RecordConsentRequest(name=name, consent=consent)),
    ):
        with pytest.raises(NotFoundError):
            await office.call(method, request)


async def test_a_write_sent_twice_happens_once(office):
    patient = office.patient()
    await office.import_patients(patient)
    point = pb.ContactPoint(channel=pb.CHANNEL_EMAIL, value="second@example.org")
    request = pb.AddContactPointRequest(request_id=str(new_id()), name=patient.name, contact_point=point)
    assert await office.call(office.recipients.AddContactPoint, request) == await office.call(
        office.recipients.AddContactPoint, request
    )
    request.contact_point.value = "third@example.org"
    with pytest.raises(AlreadyExistsError):
        await office.call(office.recipients.AddContactPoint, request)


async def test_a_task_is_closed_once_by_who_read_it_last(office, provider):
    await office.book(f"patients/{new_id()}", START)
    await office.import_patients()
    await send_all(office.sender(provider.port))
    (task,) = await office.tasks()

    async def resolve(etag: str) -> pb.StaffTask:
        request = pb.ResolveStaffTaskRequest(name=task.name, etag=etag, resolution="Told them in person.")
        closed = await office.call(office.notifications.ResolveStaffTask, request)
        assert isinstance(closed, pb.StaffTask)
        return closed

    with pytest.raises(StaleTaskError):
        await resolve("older")
    closed = await resolve(task.etag)
    assert (closed.resolution, closed.resolve_time) == ("Told them in person.", timestamp(office.clock.now()))
    with pytest.raises(TaskResolvedError):
        await resolve(closed.etag)
    assert await office.tasks() == []
    request = pb.ListStaffTasksRequest(include_resolved=True)
    assert list((await office.call(office.notifications.ListStaffTasks, request)).staff_tasks) == [closed]


async def test_pages_continue_where_the_one_before_ended(office):
    patient = await office.new_patient()
    for day in range(4):
        await office.book(patient, START + timedelta(days=day))
    everything, names, request = await office.listed(), [], pb.ListNotificationsRequest(page_size=7, patient=patient)
    while True:
        page = await office.call(office.notifications.ListNotifications, request)
        names += [found.name for found in page.notifications]
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert names == [found.name for found in everything]
    assert len(names) == 20
    request.patient = ""
    with pytest.raises(InvalidArgumentError):
        await office.call(office.notifications.ListNotifications, request)

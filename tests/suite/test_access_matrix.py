"""Every RPC of every service against callers who may not: refused, each time."""

import itertools
from datetime import timedelta
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass

from kat.common.v1 import common_pb2
from kat.dosing_log.v1 import dosing_log_pb2
from kat.events.v1 import events_pb2
from kat.notifications.v1 import notifications_pb2
from kat.scheduler.v1 import calendar_pb2, course_pb2, roster_pb2, session_pb2
from services.cli.clients import issue_token
from services.cli.demo.account import Account
from services.cli.demo.stage import Stage
from services.runtime.channel import ClientIdentity, bearer
from services.runtime.clock import SystemClock
from services.runtime.embedded_authority import EmbeddedAuthority
from services.runtime.embedded_issuer import EmbeddedIssuer
from services.runtime.identifiers import new_id
from services.runtime.status import reason_of, status_from
from tests.support.suite import SuiteProcess

FILES = {
    "scheduler": (roster_pb2, course_pb2, session_pb2, calendar_pb2),
    "dosing_log": (dosing_log_pb2,),
    "notifications": (notifications_pb2,),
}
NOT_YET = "SESSION_NOT_KNOWN_YET"
ROLES = [common_pb2.Role.Name(number).removeprefix("ROLE_").lower() for number in common_pb2.Role.values() if number]


def _methods() -> list[tuple[str, MethodDescriptor]]:
    found = []
    for service, files in FILES.items():
        for file in files:
            for descriptor in file.DESCRIPTOR.services_by_name.values():
                found += [(service, method) for method in descriptor.methods]
        found += [(service, method) for method in events_pb2.DESCRIPTOR.services_by_name["EventSink"].methods]
    return found


METHODS = _methods()
IDS = [f"{service}-{method.full_name.removeprefix('kat.')}" for service, method in METHODS]
each_method = pytest.mark.parametrize(("service", "method"), METHODS, ids=IDS)


def test_no_service_is_missing() -> None:
    assert len(METHODS) > 50
    assert {method.containing_service.full_name for _, method in METHODS} >= {
        "kat.dosing_log.v1.AuditService",
        "kat.scheduler.v1.SessionService",
        "kat.notifications.v1.NotificationService",
        "kat.events.v1.EventSink",
    }


def _call(channel: grpc.aio.Channel, method: MethodDescriptor) -> Any:
    return channel.unary_unary(
        f"/{method.containing_service.full_name}/{method.name}",
        GetMessageClass(method.input_type).SerializeToString,
        GetMessageClass(method.output_type).FromString,
    )


async def _first_message(channel: grpc.aio.Channel, method: MethodDescriptor, request: Any, metadata: Any) -> None:
    call = channel.unary_stream(
        f"/{method.containing_service.full_name}/{method.name}",
        GetMessageClass(method.input_type).SerializeToString,
        GetMessageClass(method.output_type).FromString,
    )(request, timeout=10, metadata=metadata)
    assert await call.read() is not grpc.aio.EOF
    call.cancel()


async def _code(channel: grpc.aio.Channel, method: MethodDescriptor, metadata: Any) -> tuple[grpc.StatusCode, str]:
    """Call with an empty request; the answer must be a refusal before anything is read."""
    request = GetMessageClass(method.input_type)()
    try:
        if method.server_streaming:
            await _first_message(channel, method, request, metadata)
        else:
            await _call(channel, method)(request, timeout=10, metadata=metadata)
    except grpc.aio.AioRpcError as error:
        return error.code(), reason_of(status_from(error))
    return grpc.StatusCode.OK, ""


@each_method
async def test_refused_without_a_valid_token(
    suite: SuiteProcess, stage: Stage, tmp_path: Any, service: str, method: MethodDescriptor
) -> None:
    role = _allowed(method)[0]
    expired = issue_token(suite.data, subject="x", roles=[role], name="x", lifetime=timedelta(hours=-1))
    stranger = EmbeddedIssuer(tmp_path / "issuer", SystemClock()).token(
        subject="x", organization=suite.data.organization_id, roles=[role], name="x"
    )
    for metadata in ((), bearer(""), bearer("x"), bearer(expired), bearer(stranger)):
        code, _ = await _code(stage.channels[service], method, metadata)
        assert code is grpc.StatusCode.UNAUTHENTICATED


@each_method
async def test_refused_for_every_other_role(
    suite: SuiteProcess, stage: Stage, service: str, method: MethodDescriptor
) -> None:
    allowed = _allowed(method)
    for role in ROLES:
        organization = "*" if role == "service" else None
        token = issue_token(suite.data, subject=f"a-{role}", roles=[role], name=role, organization=organization)
        code, reason = await _code(stage.channels[service], method, bearer(token))
        if role in allowed:
            assert reason != "ROLE_MISSING"
            assert code is not grpc.StatusCode.INTERNAL
        else:
            assert (code, reason) == (grpc.StatusCode.PERMISSION_DENIED, "ROLE_MISSING")


@each_method
async def test_refused_with_a_certificate_that_is_not_on_the_list(
    suite: SuiteProcess, service: str, method: MethodDescriptor
) -> None:
    files = EmbeddedAuthority(suite.data.authority, SystemClock()).certificate("somebody")
    identity = ClientIdentity(files.certificate, files.private_key, files.authority)
    role = _allowed(method)[0]
    token = issue_token(
        suite.data, subject="x", roles=[role], name="x", organization="*" if role == "service" else None
    )
    async with identity.channel(suite.data.addresses()[service]) as channel:
        code, reason = await _code(channel, method, bearer(token))
    assert (code, reason) == (grpc.StatusCode.UNAUTHENTICATED, "CERTIFICATE_REFUSED")


@pytest.mark.parametrize("service", FILES)
async def test_refused_without_a_certificate_or_with_one_of_another_authority(
    suite: SuiteProcess, tmp_path: Any, service: str
) -> None:
    address = suite.data.addresses()[service]
    stranger = EmbeddedAuthority(tmp_path / "authority", SystemClock()).certificate("cli")
    ours = (suite.data.authority / "ca.pem").read_bytes()
    method = next(method for name, method in METHODS if name == service)
    for credentials in (
        grpc.ssl_channel_credentials(ours),
        grpc.ssl_channel_credentials(ours, stranger.private_key.read_bytes(), stranger.certificate.read_bytes()),
    ):
        async with grpc.aio.secure_channel(address, credentials) as channel:
            code, _ = await _code(channel, method, bearer("x"))
        assert code is grpc.StatusCode.UNAVAILABLE


async def test_a_service_delivers_its_own_events_alone(suite: SuiteProcess, stage: Stage) -> None:
    token = issue_token(suite.data, subject="scheduler", roles=["service"], name="scheduler", organization="*")
    request = events_pb2.DeliverRequest(
        request_id=str(new_id()), events=[events_pb2.Event(event_id=str(new_id()), producer="scheduler")]
    )
    call = stage.channels["notifications"].unary_unary(
        "/kat.events.v1.EventSink/Deliver",
        events_pb2.DeliverRequest.SerializeToString,
        events_pb2.DeliverResponse.FromString,
    )
    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        await call(request, timeout=10, metadata=bearer(token))  # our certificate says "cli"
    assert reason_of(status_from(refusal.value)) == "PRODUCER_MISMATCH"


def _allowed(method: MethodDescriptor) -> list[str]:
    access = method.GetOptions().Extensions[common_pb2.access]
    return [common_pb2.Role.Name(role).removeprefix("ROLE_").lower() for role in access.roles]


LISTS = [(service, method) for service, method in METHODS if method.name.startswith("List")]


@pytest.mark.parametrize(("service", "method"), LISTS, ids=[method.full_name for _, method in LISTS])
async def test_another_organization_sees_nothing(
    suite: SuiteProcess, stage: Stage, service: str, method: MethodDescriptor
) -> None:
    token = issue_token(
        suite.data, subject="stranger", roles=[_allowed(method)[-1]], name="stranger", organization=new_id()
    )
    request: Any = GetMessageClass(method.input_type)()
    fields = method.input_type.fields_by_name
    collections = {"session": "sessions", "lot": "lots", "course": "courses"}
    named = {field: f"{collection}/{new_id()}" for field, collection in collections.items()}
    for name, value in {**named, "purpose": 3}.items():
        if name in fields:
            setattr(request, name, value)
    if method.name == "ListRecordVersions":
        request.name = f"records/{new_id()}"
    try:
        answer = await _call(stage.channels[service], method)(request, timeout=10, metadata=bearer(token))
    except grpc.aio.AioRpcError as error:
        # An empty page is as good, and so is "not known here yet", which a session may be for a moment.
        known = error.code() is not grpc.StatusCode.NOT_FOUND and reason_of(status_from(error)) != NOT_YET
        assert not known
        return
    items = [value for field, value in answer.ListFields() if field.is_repeated]
    # Their own look may itself be the first access record of that organization.
    assert all(not item or method.name == "ListAccessRecords" for item in itertools.chain(items))


async def test_another_organization_finds_nothing_by_name(suite: SuiteProcess, stage: Stage, day: Account) -> None:
    """Whoever knows a name of another organization's is told that it does not exist."""
    found = await _names_of_every_kind(stage, day)
    refused = set()
    for service, method in METHODS:
        collection = GETTERS.get(method.name)
        if collection is None:
            continue
        request: Any = GetMessageClass(method.input_type)(name=found[collection])
        if "purpose" in method.input_type.fields_by_name:
            request.purpose = dosing_log_pb2.ACCESS_PURPOSE_AUDIT
        for role in _allowed(method):
            ours = issue_token(suite.data, subject="ours", roles=[role], name="ours")
            theirs = issue_token(suite.data, subject="theirs", roles=[role], name="theirs", organization=new_id())
            await _call(stage.channels[service], method)(request, timeout=10, metadata=bearer(ours))
            with pytest.raises(grpc.aio.AioRpcError) as refusal:
                await _call(stage.channels[service], method)(request, timeout=10, metadata=bearer(theirs))
            assert refusal.value.code() is grpc.StatusCode.NOT_FOUND
        refused.add(method.name)
    assert refused == set(GETTERS)


GETTERS = {
    "GetClinic": "clinics",
    "GetRoom": "rooms",
    "GetPractitioner": "practitioners",
    "GetPatient": "patients",
    "GetProtocol": "protocols",
    "GetCourse": "courses",
    "GetSession": "sessions",
    "GetLot": "lots",
    "GetRecord": "records",
    "GetRecipient": "recipients",
    "GetNotification": "notifications",
}


async def _names_of_every_kind(stage: Stage, day: Account) -> dict[str, str]:
    names = {name.partition("/")[0]: name for name in day.names.values()}
    reader = stage.person("reader", "Reader", "clinic_system", "supervisor")
    session = await stage.call(stage.sessions.GetSession, session_pb2.GetSessionRequest(name=names["sessions"]), reader)
    notifications = await stage.call(
        stage.notifications.ListNotifications,
        notifications_pb2.ListNotificationsRequest(patient=names["patients"]),
        reader,
    )
    return names | {
        "clinics": session.clinic,
        "rooms": session.room,
        "practitioners": session.supervisions[0].practitioner,
        "protocols": session.protocol,
        "recipients": names["patients"].replace("patients/", "recipients/"),
        "notifications": notifications.notifications[0].name,
    }

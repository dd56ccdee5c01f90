"""Reading requests: every fault at once, with its path."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kat.common.v1.common_pb2 import Quantity
from kat.common.v1.protocol_pb2 import ROUTE_INTRAVENOUS
from kat.dosing_log.v1 import dosing_log_pb2 as pb
from kat.dosing_log.v1 import records_pb2 as rec
from services.dosing_log.convert import pages, requests, stock
from services.runtime.errors import InvalidArgumentError
from services.runtime.fields import timestamp
from services.runtime.identifiers import new_id
from services.runtime.paging import encode_token
from tests.unit.dosing_log.dose_cases import NURSE

NOW = datetime(2026, 3, 10, 19, 0, tzinfo=UTC)


def paths(read: Any, *arguments: Any) -> list[str]:
    with pytest.raises(InvalidArgumentError) as caught:
        read(*arguments)
    return [violation.path for violation in caught.value.violations]


def quantity(value: str, unit: str) -> Quantity:
    return Quantity(value=value, unit=unit)


def name(collection: str) -> str:
    return f"{collection}/{new_id()}"


def administration(**changes: Any) -> pb.RecordAdministrationRequest:
    return pb.RecordAdministrationRequest(
        session=name("sessions"),
        administration=rec.Administration(
            **{
                "lot": name("lots"),
                "route": ROUTE_INTRAVENOUS,
                "drawn": quantity("50", "mg"),
                "given": quantity("35", "mg"),
                "wasted": quantity("0.3", "mL"),
                "returned": quantity("0", "mg"),
                "start_time": timestamp(NOW - timedelta(minutes=40)),
                "end_time": timestamp(NOW),
                "supervisor_subject": "physician",
                **changes,
            }
        ),
    )


def test_an_empty_administration_names_every_field():
    empty = pb.RecordAdministrationRequest(administration=rec.Administration())
    assert paths(requests.record_administration, empty, NOW) == [
        "session",
        "administration.start_time",
        "administration.end_time",
        "administration.lot",
        "administration.route",
        "administration.drawn",
        "administration.given",
        "administration.wasted",
        "administration.returned",
        "administration.supervisor_subject",
    ]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"given": quantity("35", "ug")}, ["administration.given.unit"]),
        ({"given": quantity("35", "milligram")}, ["administration.given.unit"]),
        ({"given": quantity("35", "")}, ["administration.given.unit"]),
        ({"given": quantity("-1", "mg")}, ["administration.given.value"]),
        ({"given": quantity("1e3", "mg")}, ["administration.given.value"]),
        ({"given": quantity("NaN", "mg")}, ["administration.given.value"]),
        ({"given": quantity("1000000", "mg")}, ["administration.given.value"]),
        ({"given": quantity("0.0000001", "mg")}, ["administration.given.value"]),
        ({"end_time": timestamp(NOW - timedelta(minutes=41))}, ["administration.end_time"]),
        ({"end_time": timestamp(NOW + timedelta(minutes=5))}, []),
        ({"end_time": timestamp(NOW + timedelta(minutes=5, seconds=1))}, ["administration.end_time"]),
        ({"authorization": "records/x"}, ["administration.authorization"]),
        ({"body_site": "x" * 101}, ["administration.body_site"]),
    ],
)
def test_faults_of_an_administration(changes, expected):
    request = administration(**changes)
    if not expected:
        requests.record_administration(request, NOW)
        return
    assert paths(requests.record_administration, request, NOW) == expected


def test_an_empty_set_of_vital_signs_names_every_field():
    request = pb.RecordVitalSignsRequest(session=name("sessions"), event_time=timestamp(NOW))
    found = paths(requests.record_vital_signs, request, NOW)
    assert set(found) == {
        f"vital_signs.{field}"
        for field in (
            "phase",
            "systolic",
            "diastolic",
            "heart_rate",
            "respiratory_rate",
            "oxygen_saturation",
            "moaa_s",
            "dissociation",
        )
    }


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"systolic": quantity("80", "mm[Hg]")}, ["vital_signs.diastolic.value"]),
        ({"systolic": quantity("16", "kPa")}, ["vital_signs.systolic.unit", "vital_signs.systolic.value"]),
        ({"oxygen_saturation": quantity("101", "%")}, ["vital_signs.oxygen_saturation.value"]),
        ({"weight": quantity("154", "[lb_av]")}, ["vital_signs.weight.unit"]),
        ({"weight": quantity("7", "kg")}, ["vital_signs.weight.value"]),
        ({"moaa_s": 6}, ["vital_signs.moaa_s"]),
    ],
)
def test_faults_of_vital_signs(changes, expected):
    message = rec.VitalSigns(
        **{
            "phase": rec.VitalSigns.PHASE_BEFORE,
            "systolic": quantity("120", "mm[Hg]"),
            "diastolic": quantity("80", "mm[Hg]"),
            "heart_rate": quantity("70", "/min"),
            "respiratory_rate": quantity("14", "/min"),
            "oxygen_saturation": quantity("98", "%"),
            "moaa_s": 5,
            "dissociation": False,
            **changes,
        }
    )
    request = pb.RecordVitalSignsRequest(session=name("sessions"), event_time=timestamp(NOW), vital_signs=message)
    found = paths(requests.record_vital_signs, request, NOW)
    assert set(expected) <= set(found)
    assert len(found) <= len(expected) + 1


def test_two_identifiers_of_different_kinds_are_needed():
    def check(*components: str) -> pb.RecordCheckRequest:
        message = rec.Check(
            identity_components=components, last_food_time=timestamp(NOW), last_fluid_time=timestamp(NOW)
        )
        return pb.RecordCheckRequest(session=name("sessions"), event_time=timestamp(NOW), check=message)

    assert paths(requests.record_check, check("name"), NOW) == ["check.identity_components"]
    assert paths(requests.record_check, check("name", "name"), NOW) == ["check.identity_components"]
    for value in ("Ada Lovelace", "1815-12-10", "MRN 4711", "Ada"):
        assert paths(requests.record_check, check("name", value), NOW) == ["check.identity_components[1]"]
    assert requests.record_check(check("name", "birth_date"), NOW).content.identity_components


def test_what_is_wrong_with_items_is_said():
    message = rec.Assessment(instrument=rec.Assessment.INSTRUMENT_PHQ_9, items=[0] * 8)
    request = pb.RecordAssessmentRequest(session=name("sessions"), event_time=timestamp(NOW), assessment=message)
    assert paths(requests.record_assessment, request, NOW) == ["assessment.items"]


def test_a_residual_names_its_administration_and_a_spill_names_none():
    def wastage(kind: Any, administration_name: str) -> pb.RecordWastageRequest:
        message = rec.Wastage(
            kind=kind,
            administration=administration_name,
            lot=name("lots"),
            amount=quantity("5", "mg"),
            method="sink",
            location="room",
            witness_subject="w",
        )
        return pb.RecordWastageRequest(session=name("sessions"), event_time=timestamp(NOW), wastage=message)

    residual, spill = rec.Wastage.KIND_RESIDUAL_AFTER_ADMINISTRATION, rec.Wastage.KIND_SPILL
    assert paths(requests.record_wastage, wastage(residual, ""), NOW) == ["wastage.administration"]
    assert paths(requests.record_wastage, wastage(spill, name("records")), NOW) == ["wastage.administration"]
    assert requests.record_wastage(wastage(residual, name("records")), NOW).content.amount.value == 5


def test_an_empty_lot_names_every_field():
    assert set(paths(stock.receive_lot, pb.ReceiveLotRequest(), NOW, NURSE)) == {
        f"lot.{field}"
        for field in (
            "supplier_dea_number",
            "routes",
            "clinic",
            "substance",
            "strength",
            "lot_number",
            "expire_date",
            "container_count",
            "container_content",
            "supplier_name",
            "invoice_number",
        )
    }


def test_an_amendment_without_content_or_reason():
    request = pb.AmendRecordRequest(record=rec.Record(name="records/1"))
    assert set(paths(requests.amend_record, request, NOW, NURSE)) == {
        "record",
        "record.name",
        "record.etag",
        "record.event_time",
        "reason",
    }


@pytest.mark.parametrize(
    "read", [requests.get_record, requests.list_records, requests.list_versions, requests.get_readiness]
)
def test_nothing_is_read_without_a_purpose(read):
    request = {
        requests.get_record: pb.GetRecordRequest(name=name("records")),
        requests.list_records: pb.ListRecordsRequest(patient=name("patients")),
        requests.list_versions: pb.ListRecordVersionsRequest(name=name("records")),
        requests.get_readiness: pb.GetDischargeReadinessRequest(session=name("sessions")),
    }[read]
    assert paths(read, request) == ["purpose"]


def test_records_are_listed_of_a_session_or_a_patient():
    request = pb.ListRecordsRequest(purpose=pb.ACCESS_PURPOSE_TREATMENT)
    assert paths(requests.list_records, request) == ["session"]


def test_a_forged_page_token_is_a_fault_of_its_field():
    request = pb.ListMovementsRequest(lot=name("lots"))
    request.page_token = encode_token(request, "seven")
    assert paths(pages.after_number, request) == ["page_token"]
    request.page_token = encode_token(request, "7")
    assert pages.after_number(request) == 7

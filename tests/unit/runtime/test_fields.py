"""Reading requests: all faults at once, each with its path; and values that survive the way out and back."""

import datetime as dt
import re
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.date_pb2 import Date
from google.type.timeofday_pb2 import TimeOfDay
from hypothesis import given
from hypothesis import strategies as st

from kat.common.v1.common_pb2 import Actor as ActorMessage
from kat.common.v1.common_pb2 import Identifier, Quantity
from services.runtime.actor import Actor
from services.runtime.errors import InvalidArgumentError
from services.runtime.fields import (
    Fields,
    actor_message,
    date_message,
    quantity_message,
    time_message,
    timestamp,
)
from services.runtime.names import etag_of, format_name, parse_name


class Holder:
    """Stands in for a message with these fields set."""

    def __init__(self, **values: object) -> None:
        self.__dict__.update(values)

    def HasField(self, field_name: str) -> bool:  # noqa: N802 - protobuf's name
        return field_name in self.__dict__


def faults(fields: Fields) -> dict[str, str]:
    """What `check` refuses, by path."""
    try:
        fields.check()
    except InvalidArgumentError as error:
        return {violation.path: violation.description for violation in error.violations}
    return {}


def test_every_fault_is_told_at_once_with_its_path():
    fields = Fields()
    empty = Holder()
    fields.request_id("x")
    fields.name("room", "clinics/1", "rooms")
    fields.optional_name("patient", "patients/1", "patients")
    fields.text("reason", " ", maximum=10)
    fields.instant("start_time", empty, "start_time")
    fields.date("birth_date", Holder(birth_date=Date(year=2026, month=2, day=30)), "birth_date")
    fields.time_of_day("opens", Holder(opens=TimeOfDay(hours=24)), "opens")
    fields.time_zone("zone", "Mars/Olympus")
    fields.quantity("dose", Holder(dose=Quantity(value="1e3", unit="g")), "dose", units={"mg", "mL"})
    fields.enum("route", 0, {1: "oral"})
    fields.integer("count", 0, 1, 5)
    fields.identifier("identifier", Holder(identifier=Identifier()), "identifier")
    fields.fault("extra", "write less")
    found = faults(fields)
    assert list(found) == [
        "request_id",
        "room",
        "patient",
        "reason",
        "start_time",
        "birth_date",
        "opens",
        "zone",
        "dose.unit",
        "dose.value",
        "route",
        "count",
        "identifier.system",
        "identifier.value",
        "extra",
    ]
    assert all(found.values())


def test_required_messages_that_are_missing_are_one_fault_each():
    fields = Fields()
    empty = Holder()
    fields.instant("a", empty, "x")
    fields.date("b", empty, "x")
    fields.time_of_day("c", empty, "x")
    fields.quantity("d", empty, "x", units={"mg"})
    assert list(faults(fields)) == ["a", "b", "c", "d"]


def test_optional_fields_that_are_missing_are_none():
    fields = Fields()
    empty = Holder()
    assert fields.optional_name("a", "", "rooms") is None
    assert fields.optional_instant("b", empty, "x") is None
    assert fields.optional_date("c", empty, "x") is None
    assert fields.optional_time_of_day("d", empty, "x") is None
    assert faults(fields) == {}


@given(identifier=st.uuids(), collection=st.from_regex(r"[a-z]{1,12}", fullmatch=True))
def test_a_name_comes_back_as_its_id(identifier, collection):
    assert parse_name(format_name(collection, identifier), collection) == identifier


@given(text=st.text())
def test_whatever_else_is_no_name(text):
    with pytest.raises(ValueError, match="lower-case uuid"):
        parse_name(text, "rooms")


@pytest.mark.parametrize("spelling", [str.upper, lambda n: n.replace("-", ""), lambda n: f"{{{n}}}", lambda n: n + " "])
def test_a_name_has_one_spelling(spelling):
    with pytest.raises(ValueError, match="lower-case uuid"):
        parse_name(f"rooms/{spelling('0198c7a2-7b1e-7c3a-9f52-3f5a0b6c1d2e')}", "rooms")


@given(values=st.lists(st.text(alphabet="ab1", max_size=3), min_size=1, max_size=4))
def test_an_etag_is_that_of_its_values_alone(values):
    assert etag_of(*values) == etag_of(*values)
    assert etag_of(*values) != etag_of(*values, "")
    assert etag_of("a", "b") != etag_of("ab")


@given(value=st.text())
def test_only_a_uuid_is_a_request_id(value):
    fields = Fields()
    fields.request_id(value)
    assert faults(fields) != {} or UUID(value)


@given(value=st.uuids().filter(lambda value: value.int))
def test_a_uuid_is_a_request_id_in_small_or_capital_letters(value):
    fields = Fields()
    assert fields.request_id(str(value)) == fields.request_id(str(value).upper()) == value
    assert faults(fields) == {}


@given(seconds=st.integers(-(2**63), 2**63 - 1), nanos=st.integers(-(2**31), 2**31 - 1))
def test_any_timestamp_is_read_or_refused(seconds, nanos):
    fields = Fields()
    read = fields.optional_instant("t", Holder(t=Timestamp(seconds=seconds, nanos=nanos)), "t")
    if faults(fields):
        assert read is None
    else:
        assert read is not None
        assert read.tzinfo is UTC
        assert read == datetime.fromtimestamp(0, UTC) + dt.timedelta(seconds=seconds, microseconds=nanos // 1000)


@given(instant=st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30)))  # noqa: DTZ001 - made aware below
def test_an_instant_comes_back(instant):
    aware = instant.replace(tzinfo=UTC)
    assert Fields().instant("t", Holder(t=timestamp(aware)), "t") == aware


INTEGERS = st.integers(-(2**31), 2**31 - 1)


@given(year=INTEGERS | st.integers(0, 10_000), month=INTEGERS | st.integers(0, 13), day=INTEGERS | st.integers(0, 32))
def test_any_date_is_read_or_refused(year, month, day):
    fields = Fields()
    read = fields.optional_date("d", Holder(d=Date(year=year, month=month, day=day)), "d")
    assert (read is None) == bool(faults(fields))
    assert read is None or date_message(read) == Date(year=year, month=month, day=day)


@given(hours=INTEGERS | st.integers(-1, 25), minutes=INTEGERS | st.integers(-1, 61), rest=st.tuples(INTEGERS, INTEGERS))
def test_any_time_of_day_is_read_or_refused(hours, minutes, rest):
    for seconds, nanos in ((0, 0), rest):
        fields = Fields()
        sent = TimeOfDay(hours=hours, minutes=minutes, seconds=seconds, nanos=nanos)
        read = fields.optional_time_of_day("t", Holder(t=sent), "t")
        assert (read is None) == bool(faults(fields))
        assert read is None or time_message(read) == sent


@given(
    value=st.decimals(allow_nan=False, allow_infinity=False, places=9, min_value=-999_999_999_999, max_value=10**12 - 1)
)
def test_a_quantity_comes_back_exactly(value):
    message = quantity_message(value, "mg")
    assert re.fullmatch(r"-?[0-9]+(\.[0-9]*[1-9])?", message.value)
    fields = Fields()
    assert fields.quantity("q", Holder(q=message), "q", units={"mg"}) == (value, "mg")
    assert faults(fields) == {}


@given(value=st.text() | st.from_regex(r"-?\d{0,14}\.?\d{0,11}", fullmatch=True))
def test_any_text_is_an_exact_quantity_or_refused(value):
    fields = Fields()
    read, _ = fields.quantity("q", Holder(q=Quantity(value=value, unit="mg")), "q", units={"mg"})
    plain = re.fullmatch(r"-?[0-9]{1,12}(\.[0-9]{1,9})?", value)
    assert bool(faults(fields)) == (plain is None)
    assert plain is None or read == Decimal(value)


@pytest.mark.parametrize(("value", "text"), [("-0.0", "0"), ("1E+3", "1000"), ("37.50", "37.5"), ("-1.10", "-1.1")])
def test_a_quantity_is_written_plainly(value, text):
    assert quantity_message(Decimal(value), "mg").value == text


@given(value=st.text(), maximum=st.integers(1, 20))
def test_any_text_is_read_without_surrounding_space_or_refused(value, maximum):
    fields = Fields()
    read = fields.text("t", value, maximum=maximum)
    found = set()
    try:
        fields.check()
    except InvalidArgumentError as error:
        found = {violation.description for violation in error.violations}
    assert found or 1 <= len(read) <= maximum
    assert read == value.strip()


@pytest.mark.parametrize("zone", ["", "EST5EDT ", "localtime", "Factory", "../etc/passwd", "america/new_york", "UTC+1"])
def test_what_is_no_zone_is_refused(zone):
    fields = Fields()
    fields.time_zone("z", zone)
    assert list(faults(fields)) == ["z"]


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kathmandu"])
def test_a_zone_is_read(zone):
    fields = Fields()
    assert fields.time_zone("z", zone) == zone
    assert faults(fields) == {}


def test_an_actor_is_written_as_the_contract_has_it():
    actor = Actor(subject="a", printed_name="Anna", credential="MD", roles=("supervisor", "auditor"))
    assert actor_message(actor) == ActorMessage(subject="a", printed_name="Anna", credential="MD", roles=[3, 5])
    assert (actor.has_role("auditor", "service"), actor.has_role("service")) == (True, False)

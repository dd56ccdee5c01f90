"""What reaches the log: allowed keys, and of exceptions and libraries' messages neither text nor values."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from services.runtime.logs import ALLOWED_KEYS, configure_logs
from tests.support.logs import capture_logs

CANARY = "Zebulon Quagmire 1931-02-03"


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    configure_logs("scheduler", stream=stream)
    yield stream
    capture_logs()  # no logger of another test keeps this stream


def lines(log: io.StringIO) -> list[dict]:
    return [json.loads(line) for line in log.getvalue().splitlines()]


@pytest.mark.parametrize("key", ["patient", "name", "email", "phone", "dose", "note", "birth_date", "args", "request"])
def test_a_key_that_is_not_allowed_is_dropped_and_the_drop_is_told(log, key):
    structlog.get_logger().info("booked", **{key: CANARY}, session="s1")
    (line,) = lines(log)
    assert CANARY not in log.getvalue()
    assert (line["session"], line["redacted"], line["level"]) == ("s1", 1, "info")


def test_nested_values_of_an_unknown_key_are_dropped_with_it(log):
    structlog.get_logger().warning("booked", context={"patient": CANARY})
    assert CANARY not in log.getvalue()


def test_bound_values_are_redacted_too(log):
    structlog.get_logger().bind(patient=CANARY).info("booked")
    assert CANARY not in log.getvalue()


def raise_chained() -> None:
    try:
        raise KeyError(CANARY)
    except KeyError as error:
        raise ValueError(f"no room for {CANARY}") from error


WAYS = {
    "the current one": lambda _: True,
    "an object": lambda error: error,
    "a tuple": lambda error: (type(error), error, error.__traceback__),
}


@pytest.mark.parametrize("way", WAYS)
def test_an_exception_is_logged_by_class_and_place(log, way):
    try:
        raise_chained()
    except ValueError as error:
        structlog.get_logger().warning("failed", exc_info=WAYS[way](error))
    (line,) = lines(log)
    assert CANARY not in log.getvalue()
    assert "ValueError at " in line["exception"]
    assert "KeyError at " in line["exception"]


def test_exc_info_without_an_exception_is_no_failure(log):
    structlog.get_logger().error("failed", exc_info=True)
    assert lines(log)[0]["event"] == "failed"


@pytest.mark.parametrize("with_error", [True, False])
def test_a_librarys_message_is_logged_by_its_place_alone(log, with_error):
    library = logging.getLogger("some.library")
    try:
        raise_chained()
    except ValueError:
        library.error("could not send to %s", CANARY, exc_info=with_error, extra={"patient": CANARY})
    (line,) = lines(log)
    assert CANARY not in log.getvalue()
    assert (line["event"], line["logger"], line["service"]) == ("library_message", "some.library", "scheduler")
    assert ("exception" in line) == with_error


def test_a_long_chain_of_causes_ends(log):
    error: Exception | None = None
    for number in range(20):
        try:
            raise ValueError(number) from error
        except ValueError as raised:
            error = raised
    structlog.get_logger().error("failed", exc_info=error)
    assert lines(log)[0]["exception"].count("ValueError") == 5


def test_values_that_json_has_no_word_for_are_written_as_text(log):
    structlog.get_logger().info("x", size={1}, path=log.__class__)
    assert lines(log)[0]["size"] == "{1}"


def test_no_allowed_key_invites_personal_data():
    inviting = {
        "patient",
        "name",
        "printed_name",
        "email",
        "phone",
        "dose",
        "note",
        "text",
        "message",
        "value",
        "token",
    }
    assert inviting & ALLOWED_KEYS == set()

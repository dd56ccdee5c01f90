"""Pages: a token continues the question that it came from, and no other."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kat.scheduler.v1.course_pb2 import ListCoursesRequest, ListProtocolsRequest
from services.runtime.errors import InvalidArgumentError
from services.runtime.paging import decode_token, encode_token, page_size


@given(position=st.lists(st.text(), max_size=3), size=st.integers(0, 1000))
def test_a_token_brings_its_position_back_whatever_the_page_size(position, size):
    asked = ListCoursesRequest(patient="patients/1", page_size=10)
    token = encode_token(asked, *position)
    assert decode_token(ListCoursesRequest(patient="patients/1", page_size=size, page_token=token)) == tuple(position)


def test_without_a_token_it_is_the_first_page():
    assert decode_token(ListCoursesRequest()) is None


@pytest.mark.parametrize(
    "other", [ListCoursesRequest(patient="patients/2"), ListCoursesRequest(), ListProtocolsRequest()]
)
def test_a_token_of_another_question_is_refused(other):
    other.page_token = encode_token(ListCoursesRequest(patient="patients/1"), "x")
    with pytest.raises(InvalidArgumentError) as caught:
        decode_token(other)
    assert [violation.path for violation in caught.value.violations] == ["page_token"]


def _encoded(content: str) -> str:
    return base64.urlsafe_b64encode(content.encode()).decode()


@given(token=st.text(min_size=1) | st.binary(min_size=1).map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
def test_whatever_else_is_sent_as_a_token_is_refused(token):
    with pytest.raises(InvalidArgumentError):
        decode_token(ListCoursesRequest(page_token=token))


@pytest.mark.parametrize("content", ["5", "null", "[]", "{}", '"x"', "[[]]", "[" * 100_000, "1" * 5_000])
def test_a_crafted_token_is_refused(content):
    with pytest.raises(InvalidArgumentError):
        decode_token(ListCoursesRequest(page_token=_encoded(content)))


def test_a_position_of_the_wrong_kind_is_refused():
    question = json.loads(base64.urlsafe_b64decode(encode_token(ListCoursesRequest()) + "=="))[0]
    with pytest.raises(InvalidArgumentError):
        decode_token(ListCoursesRequest(page_token=_encoded(json.dumps([question, 7]))))


@pytest.mark.parametrize(("asked", "given"), [(0, 50), (1, 1), (1_000, 1_000), (1_001, 1_000), (2**31 - 1, 1_000)])
def test_a_page_has_a_size_within_bounds(asked, given):
    assert page_size(asked) == given


def test_a_negative_page_size_is_refused():
    with pytest.raises(InvalidArgumentError):
        page_size(-1)

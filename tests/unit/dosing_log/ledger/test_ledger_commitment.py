from decimal import Decimal
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.dosing_log.ledger.commitment import (
    ENTRY_BYTES,
    canonical_record,
    commitment,
    ledger_entry,
    new_salt,
    signatures_hash,
)
from services.dosing_log.ledger.errors import RecordError

SALT = bytes(range(32))

texts = st.text(st.characters(exclude_categories=["Cs"]))
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | texts,
    lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
    max_leaves=10,
)


def test_the_entry_is_what_the_format_says_to_the_byte():
    record = b'{"dose":{"unit":"mg","value":"37.5"}}'
    entry = ledger_entry(record, SALT, (b"first", b""))

    assert entry[:1] == b"\x01"
    assert entry[1:33] == sha256(b"kat-commit/v1\x00" + SALT + record).digest()
    assert entry[33:] == sha256(b"\x00\x00\x00\x05first\x00\x00\x00\x00").digest()
    assert len(entry) == ENTRY_BYTES


def test_no_signatures_are_the_empty_string():
    assert signatures_hash(()) == sha256(b"").digest()


@given(
    st.lists(st.binary(max_size=8), max_size=4).map(tuple),
    st.lists(st.binary(max_size=8), max_size=4).map(tuple),
)
def test_two_lists_of_signatures_never_join_to_the_same(one, other):
    assert (signatures_hash(one) == signatures_hash(other)) == (one == other)


def test_canonical_bytes_are_rfc_8785():
    record = {"b": "37.5", "a": [1, True, None, ("x",)], "é": "\u20ac\n", "\U0001f600": 2**53 - 1, "\ufb33": {}}

    assert canonical_record(record).decode() == (
        '{"a":[1,true,null,["x"]],"b":"37.5","é":"€\\n","\U0001f600":9007199254740991,"\ufb33":{}}'
    )


@given(st.dictionaries(texts, values))
def test_whatever_passes_the_checks_has_canonical_bytes_whatever_the_order_of_keys(record):
    assert canonical_record(record) == canonical_record(dict(reversed(record.items())))


def test_every_value_without_an_exact_form_is_named_by_path_and_none_is_shown():
    record = {
        "dose": {"value": 37.5},
        "times": [0, {"late": 2**53}],
        "rate": Decimal("987654.5"),
        "note": "\ud800",
        "lots": {1: "x"},
    }

    with pytest.raises(RecordError) as refused:
        canonical_record(record)

    message = str(refused.value)
    for path in ("record.dose.value", "record.times[1].late", "record.rate", "record.note", "record.lots"):
        assert path in message
    assert "37.5" not in message
    assert "987654" not in message


def test_the_same_record_twice_has_unlinkable_commitments():
    assert commitment(b"{}", new_salt()) != commitment(b"{}", new_salt())


@pytest.mark.parametrize("salt", [b"", bytes(31), bytes(33)])
def test_a_salt_of_another_length_is_refused(salt):
    with pytest.raises(RecordError, match="32 bytes"):
        ledger_entry(b"{}", salt)

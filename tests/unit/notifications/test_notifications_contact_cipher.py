"""Contact data at rest."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notifications.errors import ContactUnreadableError
from services.notifications.storage.contact_cipher import ContactCipher
from services.runtime.identifiers import new_id

CIPHER = ContactCipher(bytes(range(32)))
PLACE = {"organization_id": new_id(), "table": "contact_point", "column": "value", "row": new_id()}


@given(st.text())
def test_what_was_stored_is_read_again(text):
    stored = CIPHER.encrypt(text, **PLACE)
    assert CIPHER.decrypt(stored, **PLACE) == text
    assert stored != CIPHER.encrypt(text, **PLACE)
    assert len(text) < 4 or text.encode() not in stored


@given(st.integers(0, 200), st.integers(1, 255))
def test_a_changed_byte_is_noticed(position, change):
    stored = bytearray(CIPHER.encrypt("nora@example.org", **PLACE))
    stored[position % len(stored)] ^= change
    with pytest.raises(ContactUnreadableError):
        CIPHER.decrypt(bytes(stored), **PLACE)


@pytest.mark.parametrize(
    "moved", [{"row": new_id()}, {"column": "display_name"}, {"table": "recipient"}, {"organization_id": new_id()}]
)
def test_a_value_cannot_be_moved_to_another_place(moved):
    stored = CIPHER.encrypt("nora@example.org", **PLACE)
    with pytest.raises(ContactUnreadableError):
        CIPHER.decrypt(stored, **{**PLACE, **moved})


@pytest.mark.parametrize("stored", [b"", b"\x01", b"\x01short", b"\x02" + bytes(40)])
def test_what_was_never_encrypted_is_refused(stored):
    with pytest.raises(ContactUnreadableError):
        CIPHER.decrypt(stored, **PLACE)


def test_another_key_reads_nothing_and_a_short_one_is_refused():
    with pytest.raises(ContactUnreadableError):
        ContactCipher(bytes(32)).decrypt(CIPHER.encrypt("x", **PLACE), **PLACE)
    with pytest.raises(ValueError, match="32 bytes"):
        ContactCipher(b"short")


def test_hashes_are_equal_for_equal_values_of_one_organization_alone():
    one, other = new_id(), new_id()
    assert CIPHER.lookup_hash("a@example.org", organization_id=one) == CIPHER.lookup_hash(
        "a@example.org", organization_id=one
    )
    assert CIPHER.lookup_hash("a@example.org", organization_id=one) != CIPHER.lookup_hash(
        "b@example.org", organization_id=one
    )
    assert CIPHER.lookup_hash("a@example.org", organization_id=one) != CIPHER.lookup_hash(
        "a@example.org", organization_id=other
    )


def test_nothing_of_it_is_in_an_error():
    with pytest.raises(ContactUnreadableError) as caught:
        CIPHER.decrypt(CIPHER.encrypt("nora@example.org", **PLACE), **{**PLACE, "row": new_id()})
    assert str(caught.value) == ""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.dosing_log.ledger.errors import MalformedError
from services.dosing_log.ledger.merkle import EMPTY_ROOT, CompactRange, leaf_hash, node_hash, tree_root

# The vectors of transparency-dev/merkle, testonly/constants.go (Apache-2.0).
LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def _leaves(count: int) -> list[bytes]:
    return [leaf_hash(index.to_bytes(8, "big")) for index in range(count)]


def _appended(leaves: list[bytes]) -> CompactRange:
    tree = CompactRange()
    tree.append(leaves)
    return tree


def _root_by_definition(leaves: list[bytes]) -> bytes:
    """RFC 6962 section 2.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\x01" + _root_by_definition(leaves[:split]) + _root_by_definition(leaves[split:])).digest()


@pytest.mark.parametrize("size", range(9))
def test_roots_are_the_known_answers(size):
    leaves = [leaf_hash(entry) for entry in LEAVES[:size]]

    assert tree_root(leaves).hex() == ROOTS[size]
    assert _appended(leaves).root().hex() == ROOTS[size]


def test_the_edge_of_seven_leaves_is_the_known_compact_tree():
    edge = _appended([leaf_hash(entry) for entry in LEAVES[:7]]).edge

    assert edge.hex() == (
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"
        "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f"
    )


def test_roots_of_all_sizes_to_300_follow_the_recursive_definition():
    leaves = _leaves(300)
    tree = CompactRange()
    for size in range(301):
        expected = _root_by_definition(leaves[:size])
        assert tree.root() == expected
        assert tree_root(leaves[:size]) == expected
        tree.append(leaves[size : size + 1])


def test_seventy_thousand_leaves_appended_or_at_once_have_one_root():
    leaves = _leaves(70_000)

    assert _appended(leaves).root() == tree_root(leaves)


@given(first=st.integers(0, 300), second=st.integers(0, 300))
def test_a_restored_range_goes_on_where_the_first_stopped(first, second):
    leaves = _leaves(first + second)
    stored = _appended(leaves[:first])
    restored = CompactRange(stored.size, stored.edge)

    assert restored.root() == stored.root()
    restored.append(leaves[first:])
    assert (restored.size, restored.edge) == (first + second, _appended(leaves).edge)


@pytest.mark.parametrize(("size", "edge"), [(0, bytes(32)), (1, b""), (3, bytes(32)), (4, bytes(31)), (-1, bytes(32))])
def test_an_edge_that_does_not_fit_the_size_is_refused(size, edge):
    with pytest.raises(MalformedError, match="does not fit"):
        CompactRange(size, edge)


def test_a_leaf_is_never_taken_for_a_node():
    left, right = _leaves(2)

    assert leaf_hash(left + right) != node_hash(left, right)
    assert EMPTY_ROOT not in {leaf_hash(b""), left}

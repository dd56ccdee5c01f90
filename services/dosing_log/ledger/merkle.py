"""The Merkle tree of RFC 6962 section 2.1 over SHA-256.

An odd last node is promoted to the next level, never paired with itself.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256

from services.dosing_log.ledger.errors import MalformedError

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()


def leaf_hash(entry: bytes) -> bytes:
    """Return SHA-256(0x00 || entry)."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return SHA-256(0x01 || left || right)."""
    return sha256(b"\x01" + left + right).digest()


def tree_root(leaf_hashes: Sequence[bytes]) -> bytes:
    """Return the root over leaf hashes that are all in memory, level by level."""
    level = list(leaf_hashes)
    while len(level) > 1:
        pairs = zip(level[::2], level[1::2], strict=False)  # an odd last node has no partner here
        promoted = level[-1:] if len(level) % 2 else []
        level = [node_hash(left, right) for left, right in pairs] + promoted
    return level[0] if level else EMPTY_ROOT


class CompactRange:
    """The right edge of a tree: its size and the roots of its full subtrees, largest first.

    That is all it takes to append and to compute the root: one hash for each set bit of the size.

    Args:
        size: number of leaves.
        edge: the subtree roots, concatenated, 32 bytes each, as `edge` returns them.

    Raises:
        MalformedError: the edge does not have one hash for each set bit of the size.
    """

    def __init__(self, size: int = 0, edge: bytes = b"") -> None:
        if size < 0 or len(edge) != size.bit_count() * HASH_BYTES:
            raise MalformedError(f"an edge of {len(edge)} bytes does not fit a tree of size {size}")
        self._size = size
        self._hashes = [edge[start : start + HASH_BYTES] for start in range(0, len(edge), HASH_BYTES)]

    @property
    def size(self) -> int:
        """Number of leaves appended so far."""
        return self._size

    @property
    def edge(self) -> bytes:
        """The subtree roots, largest first, concatenated: with `size`, enough to restore this range."""
        return b"".join(self._hashes)

    def append(self, leaf_hashes: Iterable[bytes]) -> None:
        """Append leaf hashes in order; amortized one node hash for each leaf."""
        hashes = self._hashes
        for leaf in leaf_hashes:
            node, full = leaf, self._size
            while full & 1:
                node = sha256(b"\x01" + hashes.pop() + node).digest()
                full >>= 1
            hashes.append(node)
            self._size += 1

    def root(self) -> bytes:
        """Return the root of the tree so far."""
        if not self._hashes:
            return EMPTY_ROOT
        root = self._hashes[-1]
        for left in reversed(self._hashes[:-1]):
            root = node_hash(left, root)
        return root

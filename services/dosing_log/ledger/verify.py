"""Check a log from the outside: entries, a checkpoint and the log's public key; no database, no server."""

from collections.abc import Iterable, Iterator, Sequence

from services.dosing_log.ledger.checkpoint import Checkpoint, open_checkpoint
from services.dosing_log.ledger.commitment import (
    ENTRY_BYTES,
    ENTRY_VERSION,
    commitment,
    signatures_hash,
)
from services.dosing_log.ledger.errors import VerificationError
from services.dosing_log.ledger.merkle import CompactRange, leaf_hash
from services.dosing_log.ledger.note import NoteVerifier

_COMMITMENT_END = 33


def verify_log(entries: Iterable[bytes], checkpoint_note: bytes, vkey: str) -> Checkpoint:
    """Verify that these are all entries of the log that the checkpoint was signed over, in order.

    Args:
        entries: every entry from index 0 on.
        checkpoint_note: the signed note.
        vkey: the log's public key in C2SP form, obtained from someone you trust.

    Returns:
        The checkpoint, now proven.

    Raises:
        MalformedError: key, note or checkpoint are not in C2SP form.
        UntrustedNoteError: the checkpoint is not signed by this key.
        VerificationError: the first entry that is malformed, a count that differs, or another root.
    """
    checkpoint = open_checkpoint(checkpoint_note, NoteVerifier.from_vkey(vkey))
    tree = CompactRange()
    tree.append(leaf_hash(entry) for entry in _well_formed(entries))
    if tree.size != checkpoint.size:
        raise VerificationError(f"the checkpoint covers {checkpoint.size} entries, {tree.size} were given")
    if tree.root() != checkpoint.root:
        raise VerificationError(f"the {tree.size} entries do not have the root that the checkpoint was signed over")
    return checkpoint


def verify_opening(*, record: bytes, salt: bytes, signatures: Sequence[bytes], entry: bytes) -> None:
    """Verify that an entry commits to exactly these record bytes, salt and signatures.

    Raises:
        RecordError: the salt is not 32 bytes.
        VerificationError: the entry is malformed, or the record or salt, or the signatures, are not those committed to.
    """
    _check_form(entry, "the entry")
    if entry[1:_COMMITMENT_END] != commitment(record, salt):
        raise VerificationError("the entry does not commit to this record with this salt")
    if entry[_COMMITMENT_END:] != signatures_hash(signatures):
        raise VerificationError("the entry does not commit to these signatures")


def _well_formed(entries: Iterable[bytes]) -> Iterator[bytes]:
    for index, entry in enumerate(entries):
        if len(entry) != ENTRY_BYTES or entry[:1] != ENTRY_VERSION:
            _check_form(entry, f"entry {index}")
        yield entry


def _check_form(entry: bytes, name: str) -> None:
    if len(entry) != ENTRY_BYTES or entry[:1] != ENTRY_VERSION:
        raise VerificationError(f"{name} is not {ENTRY_BYTES} bytes of version 1")

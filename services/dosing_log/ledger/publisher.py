"""Sign the head of every log that grew, after proving from the stored entries that it only grew."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Row, Select, func, insert, or_, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from services.dosing_log.ledger.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from services.dosing_log.ledger.errors import LedgerError, TamperedLogError
from services.dosing_log.ledger.merkle import CompactRange, leaf_hash
from services.dosing_log.ledger.note import NoteSigner
from services.dosing_log.ledger.tables import LedgerTables

_ENTRIES_PER_READ = 10_000


@dataclass(frozen=True, slots=True)
class SigningRun:
    """What one run did.

    Attributes:
        signed: number of new checkpoints.
        refused: one error for each log that was found tampered with and not signed. Raise an alarm for these.
    """

    signed: int
    refused: tuple[TamperedLogError, ...]


async def sign_checkpoints(
    connection: AsyncConnection, tables: LedgerTables, signing_key: Ed25519PrivateKey, now: datetime
) -> SigningRun:
    """Sign a checkpoint of each log whose head is not that of its last checkpoint, in the caller's transaction.

    The new entries are hashed again from storage, starting at the right edge of the last checkpoint, whose signature is
    verified first; the result must be the head that the sequencer stored. A log that fails is refused, and does not
    keep the others from being signed. Each log is locked until the caller's transaction ends; two publishers at once
    sign once.

    Args:
        connection: READ COMMITTED, seeing all organizations.
        tables: where the ledger is.
        signing_key: signs every log, each under its own origin as key name.
        now: aware; stored as the time of signing.
    """
    signed, refused = 0, []
    for organization_id, origin in await connection.execute(_changed_logs(tables)):
        log = _StoredLog(connection, tables, organization_id, origin)
        try:
            checkpoint = await _sign(log, NoteSigner(origin, signing_key))
        except TamperedLogError as fault:
            refused.append(fault)
            continue
        if checkpoint:
            row = {"organization_id": organization_id, "signed_at": now, **checkpoint}
            await connection.execute(insert(tables.checkpoint).values(row))
            signed += 1
    return SigningRun(signed, tuple(refused))


@dataclass(frozen=True, slots=True)
class _StoredLog:
    """One log as the database has it."""

    connection: AsyncConnection
    tables: LedgerTables
    organization_id: UUID
    origin: str

    async def locked_head(self) -> Row[int, bytes]:
        state = self.tables.state.c
        query = select(state.size, state.root).where(state.organization_id == self.organization_id)
        head = (await self.connection.execute(query.with_for_update())).one_or_none()
        if head is None:
            raise TamperedLogError(self.origin, 0, "the log has lost its head (the row of ledger_state)")
        return head

    async def last_checkpoint(self) -> Row[int, bytes, bytes, bytes] | None:
        checkpoint = self.tables.checkpoint.c
        query = (
            select(checkpoint.size, checkpoint.root, checkpoint.edge, checkpoint.note)
            .where(checkpoint.organization_id == self.organization_id)
            .order_by(checkpoint.size.desc())
            .limit(1)
        )
        return (await self.connection.execute(query)).one_or_none()

    async def rehashed(self, indices: range) -> Iterator[bytes]:
        """Leaf hashes computed from the stored entries; raises TamperedLogError at the first that is amiss."""
        entry = self.tables.entry.c
        query = select(entry.idx, entry.entry, entry.leaf_hash).where(
            entry.organization_id == self.organization_id, entry.idx >= indices.start, entry.idx < indices.stop
        )
        stored = {idx: (entry, leaf) for idx, entry, leaf in await self.connection.execute(query)}
        return (self._leaf_hash(index, stored.get(index)) for index in indices)

    def _leaf_hash(self, index: int, stored: tuple[bytes, bytes] | None) -> bytes:
        if stored is None:
            raise TamperedLogError(self.origin, index, "the entry is missing")
        entry, leaf = stored
        if leaf_hash(entry) != leaf:
            raise TamperedLogError(self.origin, index, "the entry does not have the leaf hash stored beside it")
        return leaf


async def _sign(log: _StoredLog, signer: NoteSigner) -> dict[str, object] | None:
    """Prove and sign the head of one log; None when another publisher did so while we waited for the lock."""
    head = await log.locked_head()
    last = await log.last_checkpoint()
    if last is not None and (last.size, last.root) == (head.size, head.root):
        return None
    tree = _signed_tree(signer, last)
    signed_size = tree.size
    if head.size <= signed_size:
        fault = f"the head (size {head.size}) does not extend what was signed (size {signed_size})"
        raise TamperedLogError(log.origin, head.size, fault)
    while tree.size < head.size:
        tree.append(await log.rehashed(range(tree.size, min(tree.size + _ENTRIES_PER_READ, head.size))))
    if tree.root() != head.root:
        fault = f"entries {signed_size} to {head.size - 1} do not hash to the root that was sequenced"
        raise TamperedLogError(log.origin, signed_size, fault)
    note = sign_checkpoint(Checkpoint(log.origin, tree.size, tree.root()), signer)
    return {"size": tree.size, "root": tree.root(), "edge": tree.edge, "note": note}


def _signed_tree(signer: NoteSigner, last: Row[int, bytes, bytes, bytes] | None) -> CompactRange:
    """Return the right edge of the last checkpoint, which its signature vouches for."""
    if last is None:
        return CompactRange()
    try:
        checkpoint = open_checkpoint(last.note, signer.verifier)
        tree = CompactRange(last.size, last.edge)
    except LedgerError as error:
        raise TamperedLogError(signer.name, last.size, f"checkpoint of size {last.size}: {error}") from error
    if not (checkpoint.size == tree.size and checkpoint.root == tree.root() == last.root):
        fault = f"the checkpoint stored for size {last.size} is not the one that was signed"
        raise TamperedLogError(signer.name, last.size, fault)
    return tree


def _changed_logs(tables: LedgerTables) -> Select[UUID, str]:
    log, state, checkpoint = tables.log.c, tables.state.c, tables.checkpoint.c
    last = (
        select(checkpoint.size, checkpoint.root)
        .where(checkpoint.organization_id == log.organization_id)
        .order_by(checkpoint.size.desc())
        .limit(1)
        .lateral("last")
    )
    grown_or_cut = state.size.is_distinct_from(func.coalesce(last.c.size, 0))
    return (
        select(log.organization_id, log.origin)
        .outerjoin(tables.state, state.organization_id == log.organization_id)
        .outerjoin(last, true())
        .where(or_(grown_or_cut, state.root != last.c.root))
        .order_by(log.organization_id)  # two publishers take the locks in the same order
    )

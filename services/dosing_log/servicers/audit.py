# ruff: noqa: N802, ARG002 - names and arguments are those of the generated servicer
"""AuditService."""

from collections.abc import Callable

from kat.dosing_log.v1 import dosing_log_pb2 as pb
from kat.dosing_log.v1.dosing_log_pb2_grpc import AuditServiceServicer
from services.dosing_log.convert import audit, pages
from services.dosing_log.errors import CheckpointNotFoundError
from services.dosing_log.servicers.desk import Context, Desk
from services.dosing_log.use_cases import auditing
from services.runtime.paging import page_size


class AuditServicer(AuditServiceServicer):
    """What an auditor needs to check the log.

    Args:
        verification_key: the key of a log by its origin, as C2SP writes it.
    """

    def __init__(self, desk: Desk, verification_key: Callable[[str], str]) -> None:
        self._desk = desk
        self._verification_key = verification_key

    async def ListAccessRecords(
        self, request: pb.ListAccessRecordsRequest, context: Context
    ) -> pb.ListAccessRecordsResponse:
        """List who read, or was refused, what."""
        patient_id, purpose = audit.list_accesses(request)
        size, before, reader = page_size(request.page_size), pages.after_id(request), self._desk.reader(request)
        found = await self._desk.read(
            request,
            request.patient,
            purpose,
            lambda unit: auditing.list_accesses(
                patient_id, before=before, limit=size + 1, purpose=purpose, unit=unit, reader=reader
            ),
        )
        shown, token = pages.cut(request, found, size, lambda last: [str(last[0].access_id)])
        return pb.ListAccessRecordsResponse(
            access_records=[audit.access_record(*access) for access in shown], next_page_token=token
        )

    async def GetCheckpoint(self, request: pb.GetCheckpointRequest, context: Context) -> pb.Checkpoint:
        """Return the newest signed checkpoint."""
        found = await self._desk.transact(lambda unit: unit.evidence.checkpoint())
        if found is None:
            raise CheckpointNotFoundError
        return audit.checkpoint(found, self._verification_key(found.origin))

    async def ListLedgerEntries(
        self, request: pb.ListLedgerEntriesRequest, context: Context
    ) -> pb.ListLedgerEntriesResponse:
        """List the ledger's entries."""
        start, size = audit.start_index(request), page_size(request.page_size)
        start = pages.after_number(request) or start
        found = await self._desk.transact(lambda unit: unit.evidence.entries(start=start, limit=size + 1))
        shown, token = pages.cut(request, found, size, lambda last: [str(last.index + 1)])
        return pb.ListLedgerEntriesResponse(entries=map(audit.entry, shown), next_page_token=token)

    async def GetLedgerOpening(self, request: pb.GetLedgerOpeningRequest, context: Context) -> pb.LedgerOpening:
        """Return what opens an entry's commitment."""
        event_id, purpose = audit.get_opening(request)
        reader = self._desk.reader(request)
        found = await self._desk.read(
            request, "", purpose, lambda unit: auditing.get_opening(event_id, purpose, unit, reader)
        )
        return audit.opening(found)

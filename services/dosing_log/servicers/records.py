# ruff: noqa: N802, ARG002 - names and arguments are those of the generated servicer
"""RecordService."""

from kat.dosing_log.v1 import dosing_log_pb2 as pb
from kat.dosing_log.v1.dosing_log_pb2_grpc import RecordServiceServicer
from kat.dosing_log.v1.records_pb2 import Record
from services.dosing_log.convert import answers, pages, requests
from services.dosing_log.servicers.desk import Context, Desk
from services.dosing_log.use_cases import reading
from services.dosing_log.use_cases.reading import RecordsAsked
from services.runtime.paging import page_size


class RecordServicer(RecordServiceServicer):
    """Reading records."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def GetRecord(self, request: pb.GetRecordRequest, context: Context) -> Record:
        """Return a version of a record."""
        record_id, at, purpose = requests.get_record(request)
        reader = self._desk.reader(request)
        found = await self._desk.read(
            request,
            request.name,
            purpose,
            lambda unit: reading.get_record(record_id, at, purpose, unit, reader),
        )
        return answers.record(found)

    async def ListRecords(self, request: pb.ListRecordsRequest, context: Context) -> pb.ListRecordsResponse:
        """List present versions."""
        session_id, patient_id, purpose = requests.list_records(request)
        size, reader = page_size(request.page_size), self._desk.reader(request)
        asked = RecordsAsked(
            session_id=session_id, patient_id=patient_id, after=pages.after_event(request), limit=size + 1
        )
        found = await self._desk.read(
            request,
            request.session or request.patient,
            purpose,
            lambda unit: reading.list_records(asked, purpose, unit, reader),
        )
        shown, token = pages.cut(
            request, found, size, lambda last: [last.version.event_time.isoformat(), str(last.version.record_id)]
        )
        return pb.ListRecordsResponse(records=map(answers.record, shown), next_page_token=token)

    async def ListRecordVersions(
        self, request: pb.ListRecordVersionsRequest, context: Context
    ) -> pb.ListRecordVersionsResponse:
        """List the versions of a record with what each changed."""
        record_id, purpose = requests.list_versions(request)
        size, after, reader = page_size(request.page_size), pages.after_number(request), self._desk.reader(request)
        found = await self._desk.read(
            request,
            request.name,
            purpose,
            lambda unit: reading.list_versions(
                record_id, after=after, limit=size + 1, purpose=purpose, unit=unit, reader=reader
            ),
        )
        befores = [None, *found]
        pairs = list(zip(found, befores, strict=False))[1 if after else 0 :]
        shown, token = pages.cut(request, pairs, size, lambda last: [str(last[0].version.version)])
        return pb.ListRecordVersionsResponse(
            versions=[answers.record_version(stored, before) for stored, before in shown], next_page_token=token
        )

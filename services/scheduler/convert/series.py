"""Series and extensions from and as messages: verbs that concern several sessions."""

from collections.abc import Iterable

from kat.scheduler.v1 import session_pb2
from services.runtime.fields import Fields, date_message, time_message
from services.scheduler.convert.common import local_time
from services.scheduler.convert.session import blocker_message, read_booking, session_message
from services.scheduler.convert.slots import slot_message
from services.scheduler.domain.extension import DownstreamMove, Hit
from services.scheduler.domain.local_time import LocalTime
from services.scheduler.domain.session import Session
from services.scheduler.use_cases.extending import Extended, Extension
from services.scheduler.use_cases.series import Occurrence, Series, SeriesFinding

_MAXIMUM_WEEKS = 8
_MAXIMUM_SERIES = 52
_MAXIMUM_MOVES = 50


def series(request: session_pb2.BookSeriesRequest) -> Series:
    """Read a series.

    Raises:
        InvalidArgumentError: every fault.
    """
    fields = Fields()
    read = Series(
        first=read_booking(fields, "first", request.first),
        interval_weeks=fields.integer("interval_weeks", request.interval_weeks, 1, _MAXIMUM_WEEKS),
        count=fields.integer("count", request.count, 1, _MAXIMUM_SERIES),
    )
    fields.check()
    return read


def series_message(sessions: Iterable[Session]) -> session_pb2.BookSeriesResponse:
    """Return a booked series."""
    return session_pb2.BookSeriesResponse(sessions=[session_message(session) for session in sessions])


def series_finding_message(found: SeriesFinding) -> session_pb2.BookSeriesResponse:
    """Return what stands in the way of a series."""
    return session_pb2.BookSeriesResponse(
        blockers=[blocker_message(blocker) for blocker in found.blockers],
        occurrences=[_occurrence_message(occurrence) for occurrence in found.occurrences],
    )


def rescheduled_message(sessions: Iterable[Session]) -> session_pb2.RescheduleSeriesResponse:
    """Return moved sessions."""
    return session_pb2.RescheduleSeriesResponse(sessions=[session_message(session) for session in sessions])


def cancelled_message(sessions: Iterable[Session]) -> session_pb2.CancelSeriesResponse:
    """Return cancelled sessions."""
    return session_pb2.CancelSeriesResponse(sessions=[session_message(session) for session in sessions])


def extension(request: session_pb2.ExtendSessionRequest) -> Extension:
    """Read until when a session is to last, and where those in the way are to stand.

    Raises:
        InvalidArgumentError: every fault.
    """
    fields = Fields()
    if len(request.moves) > _MAXIMUM_MOVES:
        fields.fault("moves", f"send at most {_MAXIMUM_MOVES}")
    read = Extension(
        session_id=fields.name("name", request.name, "sessions"),
        etag=fields.text("etag", request.etag, maximum=100),
        end_time=fields.instant("end_time", request, "end_time"),
        moves=tuple(_move(fields, f"moves[{n}]", move) for n, move in enumerate(request.moves)),
    )
    if len({move.session_id for move in read.moves}) < len(read.moves):
        fields.fault("moves", "send one move for each session")
    fields.check()
    return read


def extended_message(extended: Extended) -> session_pb2.ExtendSessionResponse:
    """Return a session with its later end, and what it runs into."""
    return session_pb2.ExtendSessionResponse(
        session=session_message(extended.session),
        hits=[_hit_message(hit) for hit in extended.hits],
        moved_sessions=[session_message(session) for session in extended.moved],
    )


def _move(fields: Fields, path: str, message: session_pb2.DownstreamMove) -> DownstreamMove:
    return DownstreamMove(
        session_id=fields.name(f"{path}.session", message.session, "sessions"),
        etag=fields.text(f"{path}.etag", message.etag, maximum=100),
        arrival=local_time(fields, f"{path}.arrival", message, "arrival"),
        room_id=fields.optional_name(f"{path}.room", message.room, "rooms"),
        supervisor_id=fields.optional_name(f"{path}.supervisor", message.supervisor, "practitioners"),
    )


def _hit_message(hit: Hit) -> session_pb2.DownstreamHit:
    return session_pb2.DownstreamHit(
        session=session_message(hit.session),
        code=session_pb2.BlockerCode.Value(f"BLOCKER_CODE_{hit.code}"),
        proposal=slot_message(hit.proposal) if hit.proposal else None,
    )


def _occurrence_message(occurrence: Occurrence) -> session_pb2.SeriesOccurrence:
    return session_pb2.SeriesOccurrence(
        arrival=_local_time_message(occurrence.arrival),
        blockers=[blocker_message(blocker) for blocker in occurrence.blockers],
        alternatives=[slot_message(slot) for slot in occurrence.alternatives],
    )


def _local_time_message(local: LocalTime) -> session_pb2.LocalTime:
    return session_pb2.LocalTime(date=date_message(local.date), time=time_message(local.time))

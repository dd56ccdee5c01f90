"""Rows (b) and (c): booking free slots, and racing for one chair."""

import asyncio
from time import perf_counter
from uuid import UUID

import grpc

from kat.scheduler.v1 import session_pb2
from services.cli.commands.output import describe
from services.runtime.identifiers import new_id
from tests.bench.clinics import BOOKINGS, RACERS, Clinics, Place
from tests.bench.harness import CALLERS, ROUNDS, Row, percentile, rate
from tests.bench.replay import Replay


def rows_of_booking(session_id: UUID, request_id: UUID) -> dict[str, tuple[str, UUID]]:
    """What one booking leaves, as queries for `Replay.of`."""
    return {
        "request": ("select * from request where request_id = $1", request_id),
        "session": ("select * from session where session_id = $1", session_id),
        "supervision": ("select * from supervision where session_id = $1", session_id),
        "session_change": ("select * from session_change where session_id = $1", session_id),
        **rows_of_event(session_id),
    }


def rows_of_event(session_id: UUID) -> dict[str, tuple[str, UUID]]:
    """What the events of a session leave on the side that sends them."""
    return {
        "outbox_aggregate": ("select * from outbox_aggregate where aggregate = 'sessions/' || $1::uuid", session_id),
        "outbox": ("select * from outbox where aggregate = 'sessions/' || $1::uuid", session_id),
        "stream": ("select * from stream where aggregate = 'sessions/' || $1::uuid", session_id),
    }


class Booker:
    """Books one session a course, and counts refusals of slots that are free."""

    def __init__(self, clinics: Clinics) -> None:
        self._clinics = clinics
        self.booked: list[session_pb2.Session] = []
        self.refused = 0
        self.seconds: list[float] = []
        self.last_request_id = ""

    async def book(self, course: str, place: Place) -> session_pb2.Session | grpc.aio.AioRpcError:
        request_id = str(new_id())
        booking = session_pb2.Booking(course=course, room=place.room, arrival=place.arrival)
        request = session_pb2.BookSessionRequest(request_id=request_id, booking=booking)
        clinics, started = self._clinics, perf_counter()
        try:
            session = await clinics.call(clinics.stage.sessions.BookSession, request, clinics.desk.token)
        except grpc.aio.AioRpcError as error:
            self.refused += 1
            return error
        finally:
            self.seconds.append(perf_counter() - started)
        self.booked.append(session)
        self.last_request_id = request_id
        return session


async def booking(clinics: Clinics) -> tuple[Row, list[session_pb2.Session]]:
    """Returns the booked sessions too: doses are given in them."""
    row = Row("BookSession on free slots, 32 clients", "sessions/s", "0.35, no false refusal")
    booker, pool = Booker(clinics), await clinics.pool("scheduler")
    places, courses = clinics.places(), iter(clinics.courses)
    settling = 0.0
    for _ in range(ROUNDS):
        pairs = [(next(courses), next(places)) for _ in range(BOOKINGS)]
        work = (lambda pair=pair: booker.book(*pair) for pair in pairs)
        before = clinics.processor_ms("scheduler")
        row.ours.append(await rate(CALLERS, work))
        row.notes["service ms/call"] = (clinics.processor_ms("scheduler") - before) / BOOKINGS
        settling += await clinics.settled()
        left = rows_of_booking(id_of(booker.booked[-1].name), UUID(booker.last_request_id))
        replay = await Replay.of(pool, left, organization_id=clinics.organization_id)
        row.raw.append(await rate(CALLERS, (replay for _ in range(BOOKINGS))))
        row.notes["rows of a booking"] = replay.rows
    await pool.close()
    row.notes |= {
        "false refusals": booker.refused,
        "p50 ms": percentile(booker.seconds, 50) * 1000,
        "p99 ms": percentile(booker.seconds, 99) * 1000,
        "events delivered after s (a round)": settling / ROUNDS,
    }
    return row, booker.booked


async def race(clinics: Clinics) -> Row:
    """A round is one chair: everybody asks for it at once, on a patient of their own."""
    row = Row("100 clients race for one chair", "ms (p99)", "one wins, p99 under 250 ms")
    winners, blocked = [], 0
    for place in clinics.race_places():
        booker = Booker(clinics)
        asked = [booker.book(course, place) for course in clinics.courses[-RACERS:]]
        answers = await asyncio.gather(*asked)
        winners.append(len(booker.booked))
        blocked += sum(_names_room(answer) for answer in answers)
        row.ours.append(percentile(booker.seconds, 99) * 1000)
    row.notes["winners of each round"] = " ".join(map(str, winners))
    row.notes["losers told that the room is taken"] = f"{blocked} of {ROUNDS * (RACERS - 1)}"
    return row


def id_of(name: str) -> UUID:
    """The id in a resource's name."""
    return UUID(name.partition("/")[2])


def _names_room(answer: session_pb2.Session | grpc.aio.AioRpcError) -> bool:
    if isinstance(answer, session_pb2.Session):
        return False
    return any("ROOM_BUSY" in line for line in describe(answer))

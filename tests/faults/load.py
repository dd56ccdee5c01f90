"""What the clinics do while things break: book, move and cancel sessions; receive drug, give and waste it."""

import asyncio
import random
from datetime import UTC, time, timedelta
from decimal import Decimal

import grpc

from kat.common.v1.common_pb2 import Quantity
from kat.common.v1.protocol_pb2 import ROUTE_INTRAVENOUS, SUBSTANCE_KETAMINE
from kat.dosing_log.v1 import dosing_log_pb2, records_pb2
from kat.scheduler.v1 import session_pb2
from services.runtime.channel import bearer
from services.runtime.fields import date_message, time_message, timestamp
from services.runtime.identifiers import new_id
from tests.faults.history import CALL_SECONDS, History, Outcome
from tests.faults.world import World

DESKS, NURSES = 6, 3
_DAYS_AHEAD = (4, 45)
_ARRIVALS = (time(8), time(9, 30), time(11), time(13), time(15))
_DRAWN = Decimal(50)


class Load:
    """Clients that go on until they are cancelled. They know only what was acknowledged to them."""

    def __init__(self, world: World, history: History, seed: int) -> None:
        self._world = world
        self._history = history
        self._seed = seed
        self._sessions: dict[str, session_pb2.Session] = {}
        self._lots: list[str] = []

    async def run(self, seconds: float) -> None:
        """Run every client for so long; a call under way is brought to its end."""
        end = asyncio.get_running_loop().time() + seconds
        clients = [self._desk] * DESKS + [self._nurse] * NURSES

        async def client(number: int) -> None:
            generator = random.Random(self._seed * 1_000 + number)  # noqa: S311 - repeatable by its seed
            while asyncio.get_running_loop().time() < end:
                await clients[number](generator)
                await asyncio.sleep(generator.uniform(0.01, 0.1))

        await asyncio.gather(*(client(number) for number in range(len(clients))))

    async def _desk(self, generator: random.Random) -> None:
        stage, desk = self._world.stage, self._world.cast.front_desk
        draw = generator.random()
        known = await self._known(generator) if draw > 0.6 else None
        if known is None:
            booking = session_pb2.Booking(
                course=generator.choice(self._world.courses),
                room=generator.choice(self._world.rooms).name,
                arrival=self._arrival(generator),
            )
            call = await self._history.write(
                stage.sessions.BookSession, session_pb2.BookSessionRequest(booking=booking), desk
            )
        elif draw < 0.85:
            moved = session_pb2.RescheduleSessionRequest(
                name=known.name, etag=known.etag, arrival=self._arrival(generator)
            )
            call = await self._history.write(stage.sessions.RescheduleSession, moved, desk)
        else:
            cancelled = session_pb2.CancelSessionRequest(name=known.name, etag=known.etag, reason="asked for")
            call = await self._history.write(stage.sessions.CancelSession, cancelled, desk)
        if call.outcome is Outcome.OK:
            self._sessions[call.answer.name] = call.answer

    async def _nurse(self, generator: random.Random) -> None:
        stage, cast = self._world.stage, self._world.cast
        live = [one for one in self._sessions.values() if one.state == session_pb2.Session.STATE_BOOKED]
        if not self._lots or generator.random() < 0.1:
            request = dosing_log_pb2.ReceiveLotRequest(lot=self._lot())
            call = await self._history.write(stage.inventory.ReceiveLot, request, cast.pharmacist)
            if call.outcome is Outcome.OK:
                self._lots.append(call.answer.name)
            return
        if not live:
            return
        session, lot = generator.choice(live), generator.choice(self._lots)
        given = _DRAWN - Decimal(generator.randrange(1, 40)) / 2
        request = self._administration(session.name, lot, given)
        call = await self._history.write(stage.doses.RecordAdministration, request, cast.nurse)
        if call.outcome is Outcome.OK:
            wastage = self._wastage(call.answer, lot)
            await self._history.write(stage.doses.RecordWastage, wastage, cast.nurse)

    async def _known(self, generator: random.Random) -> session_pb2.Session | None:
        """An acknowledged session as it is now, or None where there is none or the scheduler is away."""
        if not self._sessions:
            return None
        request = session_pb2.GetSessionRequest(name=generator.choice(list(self._sessions)))
        metadata = bearer(self._world.cast.front_desk.token)
        try:
            found: session_pb2.Session = await self._world.stage.sessions.GetSession(
                request, timeout=CALL_SECONDS, metadata=metadata
            )
        except grpc.aio.AioRpcError:
            return None
        return found

    def _arrival(self, generator: random.Random) -> session_pb2.LocalTime:
        day = self._world.stage.now().date() + timedelta(days=generator.randint(*_DAYS_AHEAD))
        return session_pb2.LocalTime(date=date_message(day), time=time_message(generator.choice(_ARRIVALS)))

    def _lot(self) -> records_pb2.Lot:
        now = self._world.stage.now()
        return records_pb2.Lot(
            clinic=self._world.cast.clinic.name,
            substance=SUBSTANCE_KETAMINE,
            routes=[ROUTE_INTRAVENOUS],
            ndc="67457-001-10",
            strength=_quantity("50", "mg/mL"),
            lot_number=f"L-{new_id().hex[-16:]}",
            expire_date=date_message(now.astimezone(UTC).date() + timedelta(days=400)),
            container_count=20,
            container_content=_quantity("10", "mL"),
            supplier_name="Example Wholesale",
            supplier_dea_number="RE1234563",
            invoice_number="I-1",
        )

    def _administration(self, session: str, lot: str, given: Decimal) -> dosing_log_pb2.RecordAdministrationRequest:
        now = self._world.stage.now()
        return dosing_log_pb2.RecordAdministrationRequest(
            session=session,
            administration=records_pb2.Administration(
                lot=lot,
                route=ROUTE_INTRAVENOUS,
                drawn=_quantity(str(_DRAWN), "mg"),
                given=_quantity(str(given), "mg"),
                wasted=_quantity(str(_DRAWN - given), "mg"),
                returned=_quantity("0", "mg"),
                start_time=timestamp(now - timedelta(minutes=40)),
                end_time=timestamp(now),
                supervisor_subject=self._world.cast.supervisor.subject,
            ),
        )

    def _wastage(self, administration: records_pb2.Record, lot: str) -> dosing_log_pb2.RecordWastageRequest:
        return dosing_log_pb2.RecordWastageRequest(
            session=administration.session,
            event_time=timestamp(self._world.stage.now()),
            wastage=records_pb2.Wastage(
                administration=administration.name,
                lot=lot,
                amount=administration.administration.wasted,
                kind=records_pb2.Wastage.KIND_RESIDUAL_AFTER_ADMINISTRATION,
                method="absorbed into a charcoal pouch",
                location="medication room",
                witness_subject=self._world.cast.witness.subject,
            ),
        )


def _quantity(value: str, unit: str) -> Quantity:
    return Quantity(value=value, unit=unit)

"""Every write that a client sent, and what it knows of it: ok, failed, or unknown."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import grpc

from services.cli.demo.stage import Person
from services.runtime.channel import bearer
from services.runtime.identifiers import new_id

CALL_SECONDS = 4.0
_TRIES = 3
_UNKNOWN = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.INTERNAL,
    }
)


class Outcome(StrEnum):
    """What the client knows. A write of which it knows nothing may have happened."""

    OK = "ok"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass
class Call:
    """One write, from its first try to its last; a call without an end was still under way."""

    verb: str
    request: Any
    invoked: datetime
    outcome: Outcome = Outcome.UNKNOWN
    ended: datetime | None = None
    answer: Any = None
    codes: list[str] = field(default_factory=list)


@dataclass
class History:
    """All writes, in the order in which they were sent."""

    calls: list[Call] = field(default_factory=list)

    async def write(self, method: Callable[..., Any], request: Any, person: Person) -> Call:
        """Send a write, again under the same request id where its outcome is unknown, and keep what came of it."""
        request.request_id = str(new_id())
        call = Call(type(request).__name__.removesuffix("Request"), request, datetime.now(UTC))
        self.calls.append(call)
        for attempt in range(_TRIES):
            try:
                call.answer = await method(request, timeout=CALL_SECONDS, metadata=bearer(person.token))
            except grpc.aio.AioRpcError as error:
                call.codes.append(error.code().name)
                if error.code() not in _UNKNOWN:
                    break
                await asyncio.sleep(0.2 * (attempt + 1))
            else:
                call.codes.append("OK")
                break
        call.ended = datetime.now(UTC)
        call.outcome = self._outcome(call)
        return call

    @staticmethod
    def _outcome(call: Call) -> Outcome:
        if call.answer is not None:
            return Outcome.OK
        # An earlier try may still have been under way when the last one was refused.
        unknown = any(grpc.StatusCode[code] in _UNKNOWN for code in call.codes)
        return Outcome.UNKNOWN if unknown else Outcome.FAILED

    def of(self, *verbs: str, outcome: Outcome = Outcome.OK) -> Iterator[Call]:
        """The calls of some verbs with an outcome."""
        return (call for call in self.calls if call.verb in verbs and call.outcome is outcome)

    def summary(self) -> str:
        """How many calls there were of each kind."""
        kinds = sorted({(call.verb, call.outcome) for call in self.calls})
        counts = [f"{verb} {outcome} {sum(1 for _ in self.of(verb, outcome=outcome))}" for verb, outcome in kinds]
        return ", ".join(counts)

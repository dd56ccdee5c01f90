"""Drug stock to the milligram: lots, and movements whose balances chain without a gap."""

import re
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from services.dosing_log.domain.amounts import EXACT, content_mg
from services.dosing_log.domain.values import Quantity, Route, Substance
from services.runtime.actor import Actor

_DEA_NUMBER = re.compile(r"[A-Z][A-Z9](\d{6})(\d)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lot:
    """A lot of drug of one product, as it was received."""

    lot_id: UUID
    clinic_id: UUID
    substance: Substance
    routes: tuple[Route, ...]
    ndc: str
    strength: Quantity
    lot_number: str
    expire_date: date
    container_count: int
    container_content: Quantity
    supplier_name: str
    supplier_dea_number: str
    invoice_number: str
    receive_time: datetime
    receiver: Actor

    @property
    def product(self) -> str:
        """What makes it the same product as another lot: the NDC, or for compounded drug substance and strength."""
        return self.ndc or f"{self.substance} {self.strength}"

    @property
    def received_mg(self) -> Decimal:
        """What came, in mg of base."""
        return content_mg(self.container_count, self.container_content, self.strength)

    @property
    def container_mg(self) -> Decimal:
        """What one container holds, in mg of base."""
        return content_mg(1, self.container_content, self.strength)


class MovementKind(StrEnum):
    """What moved the drug."""

    RECEIPT = "receipt"
    ADMINISTER = "administer"
    WASTE = "waste"
    CORRECTION = "correction"


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """One movement of a lot: the signed amount in mg of base and the balance after it."""

    movement_id: UUID
    lot_id: UUID
    sequence_number: int
    kind: MovementKind
    amount_mg: Decimal
    balance_after_mg: Decimal
    event_time: datetime
    record_time: datetime
    recorder: Actor
    record_id: UUID | None


@dataclass(frozen=True, slots=True)
class LotOnHand:
    """A lot with what its movements left."""

    lot: Lot
    sequence_number: int
    balance_mg: Decimal

    def after(
        self,
        wanted_mg: Decimal,
        *,
        movement_id: UUID,
        kind: MovementKind,
        event_time: datetime,
        record_time: datetime,
        recorder: Actor,
        record_id: UUID | None,
    ) -> Movement:
        """Return the next movement, of `wanted_mg` or of as much of it as the book balance allows."""
        amount = max(wanted_mg, EXACT.minus(self.balance_mg))
        return Movement(
            movement_id=movement_id,
            lot_id=self.lot.lot_id,
            sequence_number=self.sequence_number + 1,
            kind=kind,
            amount_mg=amount,
            balance_after_mg=EXACT.add(self.balance_mg, amount),
            event_time=event_time,
            record_time=record_time,
            recorder=recorder,
            record_id=record_id,
        )


def is_dea_number(text: str) -> bool:
    """Say whether this can be a DEA registration: its seventh digit checks the six before.

    The check digit is the last digit of (1st + 3rd + 5th) + 2 x (2nd + 4th + 6th).
    """
    match = _DEA_NUMBER.fullmatch(text)
    if match is None:
        return False
    digits = [int(digit) for digit in match[1]]
    return (sum(digits[0::2]) + 2 * sum(digits[1::2])) % 10 == int(match[2])

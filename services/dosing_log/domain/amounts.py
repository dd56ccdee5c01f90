"""Amounts of drug: always in mg of base, exactly. A result that would have to be rounded is an error, never a value."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow
from functools import reduce

from services.dosing_log.domain.values import Quantity

MG = "mg"
ML = "mL"
MG_PER_ML = "mg/mL"
PIECE = "{unit}"

EXACT = Context(prec=60, traps=[Inexact, InvalidOperation, DivisionByZero, Overflow])
"""Arithmetic that raises instead of rounding. Quantities have at most 21 digits, so 60 always suffice."""


@dataclass(frozen=True, slots=True)
class DrugAmount:
    """An amount as it was told, and what it is in mg of base."""

    value: Decimal
    unit: str
    mg: Decimal

    @classmethod
    def of(cls, told: Quantity, strength: Quantity) -> "DrugAmount":
        """Convert with the strength of the lot.

        Raises:
            UnitMismatchError: mL of a lot whose strength is not in mg/mL, or another unit.
        """
        return cls(told.value, told.unit, mg_of(told, strength))


class UnitMismatchError(ValueError):
    """A unit says nothing about this drug form; the text says which one does."""


def mg_of(told: Quantity, strength: Quantity) -> Decimal:
    """Return mg of base of an amount in mg or mL.

    Raises:
        UnitMismatchError: mL of a lot whose strength is not in mg/mL, or another unit.
    """
    if told.unit == MG:
        return told.value
    if told.unit == ML and strength.unit == MG_PER_ML:
        return EXACT.multiply(told.value, strength.value)
    raise UnitMismatchError('this lot has no strength in "mg/mL"; write the amount in "mg"')


def content_mg(containers: int, content: Quantity, strength: Quantity) -> Decimal:
    """Return mg of base in so many containers.

    Raises:
        UnitMismatchError: content and strength do not go together: mL with mg/mL, or {unit} with mg.
    """
    if (content.unit, strength.unit) not in {(ML, MG_PER_ML), (PIECE, MG)}:
        raise UnitMismatchError('write "mL" with a strength in "mg/mL", or "{unit}" with a strength in "mg"')
    return EXACT.multiply(EXACT.multiply(Decimal(containers), content.value), strength.value)


def total(amounts: Iterable[Decimal]) -> Decimal:
    """Return the exact sum."""
    return reduce(EXACT.add, amounts, Decimal())


def unaccounted_mg(*, drawn: DrugAmount, given: DrugAmount, wasted: DrugAmount, returned: DrugAmount) -> Decimal:
    """Return drawn - (given + wasted + returned): zero where every milligram is accounted for (rule H17)."""
    return EXACT.subtract(drawn.mg, total((given.mg, wasted.mg, returned.mg)))

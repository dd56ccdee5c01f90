"""Rules of wasted drug: what was left over is wasted once and whole, before a witness."""

from collections.abc import Iterator
from decimal import Decimal

from services.dosing_log.domain.amounts import EXACT
from services.dosing_log.domain.contents import Wastage
from services.dosing_log.domain.records import Finding, Severity
from services.dosing_log.domain.stock import Lot, LotOnHand
from services.dosing_log.domain.values import plain

_MUCH_PERCENT = 10


def wastage_findings(wastage: Wastage, on_hand: LotOnHand, posted_mg: Decimal) -> Iterator[Finding]:
    """Yield what the rules find in drug that was wasted.

    Args:
        wastage: what was wasted.
        on_hand: the lot before it.
        posted_mg: what this record has taken from the lot already, above zero; zero for a new record.
    """
    if _is_much(wastage, on_hand.lot):
        yield Finding(
            code="S14",
            severity=Severity.SOFT,
            description="More than a tenth of a container was wasted; have it reviewed",
            value=f"{plain(wastage.amount.mg)} mg",
            limit=f"{_MUCH_PERCENT} %",
            source="project default",
        )
    short = EXACT.subtract(EXACT.subtract(wastage.amount.mg, posted_mg), on_hand.balance_mg)
    if short > 0:
        yield shortfall(short)


def shortfall(short_mg: Decimal) -> Finding:
    """Return the finding that the book had less than was taken (H8): the movement ends at zero."""
    return Finding(
        code="H8",
        severity=Severity.HARD,
        description=f"The lot's book balance was {plain(short_mg)} mg short; count the lot",
        value=f"{plain(short_mg)} mg",
        limit="0 mg",
        source="21 CFR 1304.21: complete and accurate record",
    )


def _is_much(wastage: Wastage, lot: Lot) -> bool:
    share = EXACT.multiply(wastage.amount.mg, Decimal(100))
    return share > EXACT.multiply(lot.container_mg, Decimal(_MUCH_PERCENT))

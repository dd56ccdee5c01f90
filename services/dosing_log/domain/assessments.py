"""Scores of assessments. A total is computed here, never taken from a caller."""

from collections.abc import Sequence

from services.dosing_log.domain.contents import Assessment, Instrument

# (items, highest value of an item)
ITEMS = {
    Instrument.PHQ_9: (9, 3),
    Instrument.GAD_7: (7, 3),
    Instrument.C_SSRS: (7, 1),
    Instrument.DISCHARGE_SCORE: (1, 10),
}

# The lowest total of each band. PHQ-9: loinc.org/44261-6. GAD-7: 5, 10 and 15.
_PHQ_9_BANDS = ((20, "severe"), (15, "moderately_severe"), (10, "moderate"), (5, "mild"), (0, "minimal"))
_GAD_7_BANDS = ((15, "severe"), (10, "moderate"), (5, "mild"), (0, "minimal"))

PHQ_9_SELF_HARM_ITEM = 8  # the ninth, counted from 0
HIGH_RISK = "high"


def score(instrument: Instrument, items: Sequence[int]) -> Assessment:
    """Return the assessment with total and band.

    The total of the C-SSRS screener is the highest positive item of the six, not a sum; its band follows the triage of
    the Columbia protocol: items 1 and 2 low, 3 or a lifetime 6 moderate, 4, 5 or a 6 within three months high.

    Raises:
        ValueError: not as many items as the instrument has, or one out of its range.
    """
    count, highest = ITEMS[instrument]
    if len(items) != count or any(not 0 <= item <= highest for item in items):
        raise ValueError(f"write {count} items from 0 to {highest}")
    total, band = _total_and_band(instrument, items)
    return Assessment(instrument=instrument, items=tuple(items), total=total, band=band)


def _total_and_band(instrument: Instrument, items: Sequence[int]) -> tuple[int, str]:
    match instrument:
        case Instrument.PHQ_9:
            return sum(items), _band(sum(items), _PHQ_9_BANDS)
        case Instrument.GAD_7:
            return sum(items), _band(sum(items), _GAD_7_BANDS)
        case Instrument.C_SSRS:
            if items[6] and not items[5]:
                raise ValueError("the seventh item is 1 only where the sixth is")
            highest = max((number for number, item in enumerate(items[:6], start=1) if item), default=0)
            return highest, _c_ssrs_band(items)
        case Instrument.DISCHARGE_SCORE:
            return items[0], ""


def _band(total: int, bands: Sequence[tuple[int, str]]) -> str:
    return next(name for lowest, name in bands if total >= lowest)


def _c_ssrs_band(items: Sequence[int]) -> str:
    _, _, third, fourth, fifth, lifetime, recent = items
    if fourth or fifth or recent:
        return HIGH_RISK
    if third or lifetime:
        return "moderate"
    return "low" if items[0] or items[1] else "none"

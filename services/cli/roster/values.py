"""Parsers of single values, shared by the CSV and the FHIR reader. Each raises UnusableValueError."""

import re
import unicodedata
from collections.abc import Callable
from datetime import date, time
from functools import cache
from zoneinfo import available_timezones

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from services.cli.roster.faults import UnusableValueError
from services.cli.roster.model import Weekday

LANGUAGES = ("de", "en", "es", "fr")
"""The languages in which messages are written."""

SHORT_NAME_LIMIT = 40
NAME_LIMIT = 120
PATIENT_NAME_LIMIT = 60
_RATIO_LIMIT = 20
_FIRST_YEAR = 1900


def text(limit: int = NAME_LIMIT) -> Callable[[str], str]:
    """A parser of one line of text of at most `limit` characters."""

    def parse(value: str) -> str:
        if len(value) > limit:
            raise UnusableValueError(f"is longer than {limit} characters")
        if any(unicodedata.category(character) in {"Cc", "Cs"} for character in value):
            raise UnusableValueError("has a line break or another control character")
        return value

    return parse


def calendar_date(value: str) -> date:
    """A date written YYYY-MM-DD, from 1900 on."""
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        raise UnusableValueError("is not a date; write YYYY-MM-DD")
    try:
        parsed = date.fromisoformat(value)
    except ValueError:
        raise UnusableValueError("is not a day of the calendar; write YYYY-MM-DD") from None
    if parsed.year < _FIRST_YEAR:
        raise UnusableValueError(f"is before {_FIRST_YEAR}")
    return parsed


def past_date(today: date) -> Callable[[str], date]:
    """A parser of dates that are not after `today`."""

    def parse(value: str) -> date:
        parsed = calendar_date(value)
        if parsed > today:
            raise UnusableValueError("is in the future")
        return parsed

    return parse


def time_of_day(value: str) -> time:
    """A time of day written HH:MM or H:MM, 24 hours; zero seconds may follow, as FHIR writes them."""
    match = re.fullmatch(r"([0-9]{1,2}):([0-9]{2})(:00(\.0+)?)?", value)
    if match is None or int(match[1]) > 23 or int(match[2]) > 59:  # noqa: PLR2004 - the clock's own limits
        raise UnusableValueError("is not a time of day; write HH:MM with 24 hours, such as 08:00")
    return time(int(match[1]), int(match[2]))


def hours(value: str) -> tuple[tuple[time, time], ...]:
    """Opening and closing times, "08:00-18:00"; several, separated by spaces, for a day with a break."""
    ranges = []
    for part in re.sub(r"\s*[-\u2013]\s*", "-", value).split():
        opens, dash, closes = part.partition("-")
        if not dash:
            raise UnusableValueError("is not a pair of times; write 08:00-18:00, or nothing for a closed day")
        ranges.append((time_of_day(opens), time_of_day(closes)))
        if ranges[-1][0] >= ranges[-1][1]:
            raise UnusableValueError("closes before it opens; sessions do not run past midnight")
    return tuple(ranges)


def weekday(value: str) -> Weekday:
    """An English weekday, in full or by its first three letters."""
    for day in Weekday:
        if value.lower() in {day.name.lower(), day.name[:3].lower()}:
            return day
    raise UnusableValueError("is not a weekday; write monday, tuesday, … or mon, tue, …")


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def zone(value: str) -> str:
    """An IANA time zone name."""
    if value not in _zones():
        raise UnusableValueError("is not an IANA time zone; write one such as America/New_York")
    return value


def country(value: str) -> str:
    """An ISO 3166 alpha-2 country code."""
    if value.upper() not in phonenumbers.SUPPORTED_REGIONS:
        raise UnusableValueError("is not a country code; write two letters such as US or DE")
    return value.upper()


def email(value: str) -> str:
    """A well-formed e-mail address, normalized. Its domain is not looked up."""
    try:
        return validate_email(value, check_deliverability=False).normalized
    except EmailNotValidError:
        raise UnusableValueError("is not an e-mail address; write one such as name@example.org") from None


def phone(region: str | None) -> Callable[[str], str]:
    """A parser of phone numbers to E.164; `region` is the country whose national form is understood."""

    def parse(value: str) -> str:
        try:
            number = phonenumbers.parse(value, region)
        except phonenumbers.NumberParseException:
            number = None
        if number is None or not phonenumbers.is_possible_number(number):
            raise UnusableValueError("is not a phone number; write the international form, such as +12125550123")
        if number.extension:
            raise UnusableValueError("has an extension, which cannot be dialled from here; leave it out")
        return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))

    return parse


def language(value: str) -> str:
    """The two-letter code of a language that messages are written in; a region such as -US is dropped."""
    code = re.split("[-_]", value.lower(), maxsplit=1)[0]
    if code not in LANGUAGES:
        raise UnusableValueError(f"is not a language of messages; write one of {', '.join(LANGUAGES)}")
    return code


def supervision_ratio(value: str) -> int:
    """How many sessions at once, 0 to 20."""
    if not re.fullmatch("[0-9]{1,2}", value) or int(value) > _RATIO_LIMIT:
        raise UnusableValueError(f"is not a number of sessions; write 0 to {_RATIO_LIMIT}")
    return int(value)


def identifier(value: str) -> str:
    """An id of a spreadsheet: letters, digits, dot, dash and underscore, at most 64."""
    if not re.fullmatch("[A-Za-z0-9._-]{1,64}", value):
        raise UnusableValueError("is not an id; use letters, digits, dot, dash and underscore, at most 64")
    return value


def identifiers(value: str) -> tuple[str, ...]:
    """Ids separated by spaces; one that is repeated counts once."""
    return tuple(dict.fromkeys(identifier(part) for part in value.split()))


def npi(value: str) -> str:
    """A US National Provider Identifier: ten digits."""
    if not re.fullmatch("[0-9]{10}", value):
        raise UnusableValueError("is not an NPI; write its ten digits")
    return value


def protocol(value: str) -> str:
    """A protocol code, such as iv_racemic."""
    if not re.fullmatch("[a-z][a-z0-9_]{0,63}", value):
        raise UnusableValueError("is not a protocol code; write one such as iv_racemic")
    return value


def protocols(value: str) -> tuple[str, ...]:
    """Protocol codes separated by spaces; one that is repeated counts once."""
    return tuple(dict.fromkeys(protocol(part) for part in value.split()))

"""Recipients, contact points, consents and sender profiles."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, time, timedelta
from uuid import UUID

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from kat.notifications.v1 import notifications_pb2 as pb
from services.notifications.domain.blocked_terms import blocked_terms
from services.notifications.domain.people import (
    Channel,
    Consent,
    ContactPoint,
    Language,
    Profile,
    Purpose,
    Recipient,
    SenderProfile,
)
from services.notifications.domain.quiet_hours import QuietHours
from services.notifications.use_cases.recipients import ImportedRecipient, ImportRecipients
from services.runtime.fields import Fields, time_message, timestamp
from services.runtime.identifiers import new_id
from services.runtime.names import etag_of, format_name

MAXIMUM_RECIPIENTS = 5_000
MAXIMUM_SENDER_PROFILES = 100
_MAXIMUM_DETAILS = 20
_CLOCK_TOLERANCE = timedelta(minutes=5)

CHANNEL_NUMBERS = {Channel.EMAIL: pb.CHANNEL_EMAIL, Channel.SMS: pb.CHANNEL_SMS}
_CHANNELS: Mapping[int, Channel] = {number: channel for channel, number in CHANNEL_NUMBERS.items()}
_PURPOSE_NUMBERS = {
    Purpose.APPOINTMENTS: pb.CONSENT_PURPOSE_APPOINTMENTS,
    Purpose.AFTERCARE: pb.CONSENT_PURPOSE_AFTERCARE,
}
_PURPOSES: Mapping[int, Purpose] = {number: purpose for purpose, number in _PURPOSE_NUMBERS.items()}


def import_recipients(request: pb.ImportRecipientsRequest, now: datetime) -> ImportRecipients:
    """Read an import.

    Raises:
        InvalidArgumentError: with every fault of every recipient and profile.
    """
    fields = Fields()
    fields.request_id(request.request_id)
    _limit(fields, "recipients", request.recipients, MAXIMUM_RECIPIENTS)
    _limit(fields, "sender_profiles", request.sender_profiles, MAXIMUM_SENDER_PROFILES)
    _each_once(fields, "recipients", [recipient.name for recipient in request.recipients])
    _each_once(fields, "sender_profiles", [profile.name for profile in request.sender_profiles])
    command = ImportRecipients(
        recipients=[
            _imported(fields, f"recipients[{index}]", recipient, now)
            for index, recipient in enumerate(request.recipients)
        ],
        sender_profiles=[
            _sender_profile(fields, f"sender_profiles[{index}]", profile)
            for index, profile in enumerate(request.sender_profiles)
        ],
    )
    fields.check()
    return command


def upsert_recipient(request: pb.UpsertRecipientRequest) -> Profile:
    """Read a recipient without contact points and consents.

    Raises:
        InvalidArgumentError: with every fault.
    """
    fields = Fields()
    fields.request_id(request.request_id)
    if request.recipient.contact_points:
        fields.fault("recipient.contact_points", "leave it empty and call AddContactPoint")
    if request.recipient.consents:
        fields.fault("recipient.consents", "leave it empty and call RecordConsent")
    profile = _profile(fields, "recipient", request.recipient)
    fields.check()
    return profile


def get_recipient(request: pb.GetRecipientRequest) -> UUID:
    """Read whose data is asked for.

    Raises:
        InvalidArgumentError: the name is none.
    """
    fields = Fields()
    patient_id = fields.name("name", request.name, "recipients")
    fields.check()
    return patient_id


def add_contact_point(request: pb.AddContactPointRequest) -> tuple[UUID, Channel, str]:
    """Read a new contact point as (patient, channel, value).

    Raises:
        InvalidArgumentError: with every fault.
    """
    fields = Fields()
    fields.request_id(request.request_id)
    patient_id = fields.name("name", request.name, "recipients")
    point = request.contact_point
    channel = fields.enum("contact_point.channel", point.channel, _CHANNELS)
    value = _contact_value(fields, "contact_point.value", channel, point.value)
    if point.HasField("verify_time"):
        fields.fault("contact_point.verify_time", "leave it empty and call VerifyContactPoint")
    fields.check()
    return patient_id, channel, value


def verify_contact_point(request: pb.VerifyContactPointRequest) -> tuple[UUID, UUID]:
    """Read which contact point was verified, as (patient, contact point).

    Raises:
        InvalidArgumentError: with every fault.
    """
    fields = Fields()
    fields.request_id(request.request_id)
    recipient, separator, point = request.name.partition("/contactPoints/")
    patient_id = fields.name("name", recipient, "recipients")
    contact_point_id = fields.name("name", f"contactPoints/{point}" if separator else "", "contactPoints")
    fields.check()
    return patient_id, contact_point_id


def record_consent(request: pb.RecordConsentRequest, now: datetime) -> tuple[UUID, Consent]:
    """Read a decision as (patient, consent).

    Raises:
        InvalidArgumentError: with every fault.
    """
    fields = Fields()
    fields.request_id(request.request_id)
    patient_id = fields.name("name", request.name, "recipients")
    if not request.HasField("consent"):
        fields.fault("consent", "write the decision")
    consent = _consent(fields, "consent", request.consent, now)
    fields.check()
    return patient_id, consent


def recipient_message(recipient: Recipient) -> pb.Recipient:
    """Return the contract's recipient."""
    profile = recipient.profile
    name = format_name("recipients", profile.patient_id)
    return pb.Recipient(
        name=name,
        display_name=profile.display_name,
        language_code=profile.language,
        time_zone=profile.time_zone,
        quiet_end_time=time_message(profile.quiet_hours.end),
        quiet_start_time=time_message(profile.quiet_hours.start),
        contact_points=[_contact_point_message(name, point) for point in recipient.contact_points],
        consents=[_consent_message(consent) for consent in recipient.consents],
        etag=etag_of(profile.patient_id, recipient.revision),
    )


def _contact_point_message(recipient_name: str, point: ContactPoint) -> pb.ContactPoint:
    return pb.ContactPoint(
        name=f"{recipient_name}/{format_name('contactPoints', point.contact_point_id)}",
        channel=CHANNEL_NUMBERS[point.channel],
        value=point.value,
        verify_time=timestamp(point.verify_time) if point.verify_time is not None else None,
    )


def _consent_message(consent: Consent) -> pb.Consent:
    return pb.Consent(
        channel=CHANNEL_NUMBERS[consent.channel],
        purpose=_PURPOSE_NUMBERS[consent.purpose],
        granted=consent.granted,
        source=consent.source,
        decision_time=timestamp(consent.decision_time),
    )


def _limit(fields: Fields, path: str, values: Sequence[object], maximum: int) -> None:
    if len(values) > maximum:
        fields.fault(path, f"send at most {maximum} at once")


def _each_once(fields: Fields, path: str, names: Iterable[str]) -> None:
    seen: dict[str, int] = {}
    for index, name in enumerate(names):
        first = seen.setdefault(name, index)
        if first != index and name:
            fields.fault(f"{path}[{index}].name", f"it is {path}[{first}] already; send it once")


def _imported(fields: Fields, path: str, message: pb.Recipient, now: datetime) -> ImportedRecipient:
    _limit(fields, f"{path}.contact_points", message.contact_points, _MAXIMUM_DETAILS)
    _limit(fields, f"{path}.consents", message.consents, _MAXIMUM_DETAILS)
    return ImportedRecipient(
        profile=_profile(fields, path, message),
        contact_points=[
            _contact_point(fields, f"{path}.contact_points[{index}]", point, now)
            for index, point in enumerate(message.contact_points)
        ],
        consents=[
            _consent(fields, f"{path}.consents[{index}]", consent, now)
            for index, consent in enumerate(message.consents)
        ],
    )


def _profile(fields: Fields, path: str, message: pb.Recipient) -> Profile:
    languages = {language.value: language for language in Language}
    language = languages.get(message.language_code)
    if language is None:
        fields.fault(f"{path}.language_code", f"write one of {', '.join(languages)}")
    return Profile(
        patient_id=fields.name(f"{path}.name", message.name, "recipients"),
        display_name=_neutral(fields, f"{path}.display_name", message.display_name, maximum=60),
        language=language or Language.ENGLISH,
        time_zone=fields.time_zone(f"{path}.time_zone", message.time_zone),
        quiet_hours=_quiet_hours(fields, path, message),
    )


def _quiet_hours(fields: Fields, path: str, message: pb.Recipient) -> QuietHours:
    usual = QuietHours()

    def read(field: str, otherwise: time) -> time:
        found = fields.optional_time_of_day(f"{path}.{field}", message, field)
        return otherwise if found is None else found

    try:
        return QuietHours(end=read("quiet_end_time", usual.end), start=read("quiet_start_time", usual.start))
    except ValueError as error:
        fields.fault(f"{path}.quiet_start_time", str(error))
        return usual


def _neutral(fields: Fields, path: str, value: str, *, maximum: int) -> str:
    text = fields.text(path, value, maximum=maximum)
    if blocked_terms(text) or "\n" in text:
        fields.fault(path, "write a name on one line that does not tell what patients come for")
    return text


def _contact_point(fields: Fields, path: str, message: pb.ContactPoint, now: datetime) -> ContactPoint:
    channel = fields.enum(f"{path}.channel", message.channel, _CHANNELS)
    verify_time = fields.optional_instant(f"{path}.verify_time", message, "verify_time")
    _not_in_future(fields, f"{path}.verify_time", verify_time, now)
    return ContactPoint(
        contact_point_id=new_id(),
        channel=channel,
        value=_contact_value(fields, f"{path}.value", channel, message.value),
        verify_time=verify_time,
    )


def _consent(fields: Fields, path: str, message: pb.Consent, now: datetime) -> Consent:
    decision_time = fields.instant(f"{path}.decision_time", message, "decision_time")
    _not_in_future(fields, f"{path}.decision_time", decision_time, now)
    return Consent(
        channel=fields.enum(f"{path}.channel", message.channel, _CHANNELS),
        purpose=fields.enum(f"{path}.purpose", message.purpose, _PURPOSES),
        granted=message.granted,
        source=fields.text(f"{path}.source", message.source, maximum=100),
        decision_time=decision_time,
    )


def _sender_profile(fields: Fields, path: str, message: pb.SenderProfile) -> SenderProfile:
    return SenderProfile(
        clinic_id=fields.name(f"{path}.name", message.name, "senderProfiles"),
        short_name=_neutral(fields, f"{path}.short_name", message.short_name, maximum=40),
        phone=_phone(fields, f"{path}.phone", message.phone),
    )


def _not_in_future(fields: Fields, path: str, instant: datetime | None, now: datetime) -> None:
    if instant is not None and instant > now + _CLOCK_TOLERANCE:
        fields.fault(path, "write a time that is not in the future")


def _contact_value(fields: Fields, path: str, channel: Channel, value: str) -> str:
    readers: dict[Channel, Callable[[Fields, str, str], str]] = {Channel.EMAIL: _email, Channel.SMS: _phone}
    return readers[channel](fields, path, value)


def _email(fields: Fields, path: str, value: str) -> str:
    try:
        return validate_email(value.strip(), check_deliverability=False, allow_smtputf8=False).normalized
    except EmailNotValidError:
        fields.fault(path, "write an e-mail address, such as name@example.org")
        return ""


def _phone(fields: Fields, path: str, value: str) -> str:
    try:
        number = phonenumbers.parse(value)
    except phonenumbers.NumberParseException:
        number = None
    form = phonenumbers.PhoneNumberFormat.E164
    is_e164 = number is not None and phonenumbers.format_number(number, form) == value
    if number is None or not is_e164 or not phonenumbers.is_possible_number(number):
        fields.fault(path, "write a phone number in E.164 form, such as +12125550100")
    return value

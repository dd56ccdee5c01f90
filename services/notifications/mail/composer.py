"""From a notification to the bytes of an e-mail that says nothing private."""

from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from uuid import uuid4
from zoneinfo import ZoneInfo

import phonenumbers
from babel.dates import format_date, format_time, get_timezone_name

from services.notifications.domain.blocked_terms import blocked_terms
from services.notifications.domain.notification import Notification, Session
from services.notifications.domain.people import ContactPoint, Profile, SenderProfile
from services.notifications.errors import BlockedTermError
from services.notifications.mail.calendar_file import Organizer, calendar_file
from services.notifications.mail.templates import MessageFields, MessageText, TemplateLibrary
from services.notifications.ports import Envelope


@dataclass(frozen=True, slots=True)
class EmailComposer:
    """Writes e-mails.

    Args:
        templates: what they say.
        origin: the neutral name and address that they come from; calendars show it as the organizer.
    """

    templates: TemplateLibrary
    origin: Organizer

    def newest_version(self, template: str) -> int:
        """Return the version of a template that new notifications get."""
        return self.templates.newest_version(template)

    def new_message_id(self) -> str:
        """Return a Message-ID that means nothing."""
        return f"<{uuid4()}@{self.origin.address.rpartition('@')[2]}>"

    def compose(
        self,
        notification: Notification,
        *,
        message_id: str,
        to: ContactPoint,
        profile: Profile,
        sender: SenderProfile,
        session: Session | None,
        now: datetime,
    ) -> Envelope:
        """Return the message.

        Raises:
            BlockedTermError: it would say what may not leave.
        """
        about = session if notification.session_revision else None
        fields = _fields(profile, sender, about)
        words = self.templates.render(
            notification.template_code, notification.template_version, profile.language, fields
        )
        readable = (words.subject, words.body, words.calendar_title, self.origin.name, self.origin.address)
        if any(blocked_terms(text) for text in readable):
            raise BlockedTermError
        message = self._message(words, message_id, to.value, now)
        method = notification.rule.calendar
        if method is not None and about is not None:
            file = calendar_file(
                method, about, title=words.calendar_title, organizer=self.origin, attendee=to.value, now=now
            )
            message.add_alternative(
                file,
                maintype="text",
                subtype="calendar",
                filename="appointment.ics",
                params={"method": method.value, "charset": "utf-8"},
            )
        return Envelope(to.value, message.as_bytes())

    def _message(self, words: MessageText, message_id: str, to: str, now: datetime) -> EmailMessage:
        message = EmailMessage(policy=SMTP)
        message["From"] = Address(self.origin.name, addr_spec=self.origin.address)
        message["To"] = Address(addr_spec=to)
        message["Subject"] = words.subject
        message["Date"] = now
        message["Message-ID"] = message_id
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers
        message.set_content(words.body, cte="quoted-printable")  # no server needs 8BITMIME
        return message


def _fields(profile: Profile, sender: SenderProfile, session: Session | None) -> MessageFields:
    phone = phonenumbers.format_number(phonenumbers.parse(sender.phone), phonenumbers.PhoneNumberFormat.INTERNATIONAL)
    if session is None:
        return MessageFields(first_name=profile.display_name, clinic=sender.short_name, phone=phone)
    return MessageFields(
        first_name=profile.display_name,
        clinic=sender.short_name,
        phone=phone,
        date=format_date(_local_start(session), "full", locale=profile.language.value),
        time=_time(session, profile),
    )


def _local_start(session: Session) -> datetime:
    return session.start_time.astimezone(ZoneInfo(session.time_zone))


def _time(session: Session, profile: Profile) -> str:
    """Return the time on the clinic's clock, with its zone where the patient's clock shows another time."""
    local = _local_start(session)
    language = profile.language.value
    shown = format_time(local, "short", locale=language)
    if local.utcoffset() == session.start_time.astimezone(ZoneInfo(profile.time_zone)).utcoffset():
        return shown
    return f"{shown} ({get_timezone_name(local, locale=language)})"

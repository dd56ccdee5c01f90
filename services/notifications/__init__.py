"""Notifications: the right message, once, at a decent hour, saying nothing private.

What this service promises:

1. One notification for each (patient, session, session revision, template, rule, channel): a second cannot exist.
   Events that arrive twice, late or out of order change nothing.
2. Nothing goes out without consent for that channel and purpose, to an unverified address, in the quiet hours of the
   patient's zone, past the cap, or about a session that was cancelled, moved or is past. This is decided when the work
   is claimed, under lock, and once more just before the message is written to the provider.
3. A message that falls into quiet hours goes later where that leaves useful lead, otherwise earlier, never in them.
4. No protected health information in a message: templates may name five fields, and what was rendered is searched for
   blocked terms before it is sent. Contact data is kept here alone, encrypted by field.
5. One bad contact, template or provider stops nothing else. Each notification ends, by its expire time, in one
   explained state; what a person has to take over becomes a task for staff.
6. Nothing makes e-mail exactly-once. A lost answer is repeated under the same Message-ID where a copy does no harm,
   and is otherwise told to staff as ambiguous.
"""

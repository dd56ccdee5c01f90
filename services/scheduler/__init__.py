"""The scheduler: courses of a few sessions, each in a room, each supervised, weekly or sparser.

What it promises, each held by the database under any concurrency, not by this code alone:

1. Cadence. Two live sessions of a patient are never closer than their protocol's interval, counted in clinic-local
   dates, and no protocol has one under 7 days; across all clinics, courses and protocols of the organization.
2. Room. A room never holds two sessions at once, turnover included.
3. Supervision. Every minute from arrival to discharge has one supervising clinician who was on shift at that clinic
   and credentialed for the protocol when it was booked, and nobody supervises more sessions at once than their ratio.
4. Course cap. A course never holds more live sessions than its protocol plans, unless a supervisor extends it by a
   signed review, and never more than its protocol allows. Past the protocol's hold nobody is checked in before a
   supervisor's review is signed.
5. Patient. A patient is never in two sessions at once.
6. Dose anchor. Once a dose was given, the next interval counts from it: nothing is booked before, and live sessions
   that now stand too early are flagged and cannot be checked in.
7. Closures. Nothing is booked, or moved, into a time in which its clinic or its room is closed.

The roster, a consent or a date of birth may change under booked sessions: one that could not be booked as it stands is
kept, listed with its reasons, and moves are proposed for it. A closure, an absence and a departure name every session
in their way that has not begun, whatever is booked at the same moment.

A live session is held, booked, checked in, in progress or fulfilled; one that is cancelled, missed or entered in error
frees everything that it held. A booking that breaks a promise is refused with every blocker at once. A fact that
another service reports is never refused.
"""

"""Changes of sessions, in the order in which they are told."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from uuid import UUID

from services.scheduler.domain.session import Session


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the changes of an organization: just after one of them, or before all of them.

    Attributes:
        feed_id: the database's own, so that a position of another database is noticed.
        transaction_id: of the transaction that made the change; 0 before all.
        change_id: of the change.
        microsecond: when the change was, since 1970. A database that was restored from an older copy gives the ids out
            again, at other times.
    """

    feed_id: UUID
    transaction_id: int
    change_id: int
    microsecond: int

    @property
    def place(self) -> tuple[int, int]:
        """What changes are ordered by."""
        return self.transaction_id, self.change_id

    @classmethod
    def before_all(cls, feed_id: UUID) -> "Position":
        """Return the position before every change."""
        return cls(feed_id, 0, 0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionChange:
    """That a session changed. `clinic_ids` are the clinic where it is, and the one that it left by this change."""

    position: Position
    session_id: UUID
    patient_id: UUID
    course_id: UUID
    clinic_ids: frozenset[UUID]


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """Which sessions are watched; what is left out does not count."""

    clinic_ids: frozenset[UUID] = frozenset()
    patient_id: UUID | None = None
    course_id: UUID | None = None

    def includes(self, change: SessionChange) -> bool:
        """Say whether a change is to be told: also that a session left a clinic."""
        return (
            (not self.clinic_ids or not self.clinic_ids.isdisjoint(change.clinic_ids))
            and self.patient_id in (None, change.patient_id)
            and self.course_id in (None, change.course_id)
        )


EVERYTHING = Watched()


@dataclass(frozen=True, slots=True)
class News:
    """A change with the session as it stands; `ahead` where it stands already as a later change left it."""

    change: SessionChange
    session: Session
    ahead: bool


@dataclass(frozen=True, slots=True)
class Batch:
    """What follows a position, up to another; `full` where more may be there already."""

    after: Position
    until: Position
    news: tuple[News, ...]
    full: bool = False


def worth_telling(changes: Iterable[SessionChange]) -> list[SessionChange]:
    """Return the changes without those that a later one of the same session, at the same clinics, tells as well."""
    kept: list[SessionChange] = []
    told: dict[UUID, set[frozenset[UUID]]] = {}
    for change in sorted(changes, key=lambda change: change.position.place, reverse=True):
        later = told.setdefault(change.session_id, set())
        if not any(change.clinic_ids <= clinic_ids for clinic_ids in later):
            kept.append(change)
            later.add(change.clinic_ids)
    return kept[::-1]


def with_sessions(
    changes: Iterable[SessionChange], sessions: Collection[Session], pending: Collection[UUID]
) -> tuple[News, ...]:
    """Return changes with the sessions as they stand; those in `pending` have later changes, not among these."""
    standing = {session.session_id: session for session in sessions}
    news: list[News] = []
    later = set(pending)
    for change in reversed(list(changes)):
        if change.session_id in standing:
            news.append(News(change, standing[change.session_id], change.session_id in later))
            later.add(change.session_id)
    return tuple(reversed(news))


class Teller:
    """Decides for one watcher what of the news is told, so that the same is never told twice.

    A session may be read as a change left it that comes later in the order. It is told as it stands; when that change
    comes, there is nothing new to tell. Only such sessions are remembered.

    Args:
        position: where the watcher is.
    """

    def __init__(self, watched: Watched, position: Position) -> None:
        self.watched = watched
        self._ahead: dict[UUID, Session] = {}
        self.position = position

    def tell(self, batch: Batch) -> Iterable[Session]:
        """Yield what is new to the watcher, and move its position on; a batch that it knows in part is no harm."""
        for news in batch.news:
            if news.change.position.place <= self.position.place:
                continue
            self.position = news.change.position
            if self._is_new(news):
                yield news.session
        if batch.until.place > self.position.place:
            self.position = batch.until

    def _is_new(self, news: News) -> bool:
        told = self._ahead.pop(news.session.session_id, None)
        new = self.watched.includes(news.change) and news.session != told
        if news.ahead and (new or told is not None):
            self._ahead[news.session.session_id] = news.session if new or told is None else told
        return new

"""The errors of this service; none holds contact data."""

from uuid import UUID

from services.runtime.errors import AbortedError, AlreadyExistsError, Blocker, FailedPreconditionError
from services.runtime.names import format_name


class ContactPointKnownError(AlreadyExistsError):
    """The recipient has that contact point."""

    def __init__(self, patient_id: UUID) -> None:
        recipient = format_name("recipients", patient_id)
        super().__init__(f"{recipient} has this contact point; verify that one", reason="CONTACT_POINT_KNOWN")


class TaskResolvedError(FailedPreconditionError):
    """The task was closed before."""

    def __init__(self, task_id: UUID) -> None:
        name = format_name("staffTasks", task_id)
        blocker = Blocker("TASK_RESOLVED", name, "somebody closed it; there is nothing left to do")
        super().__init__(f"{name} is closed", reason="TASK_RESOLVED", blockers=[blocker])


class StaleTaskError(AbortedError):
    """The task changed since it was read."""

    def __init__(self, task_id: UUID) -> None:
        name = format_name("staffTasks", task_id)
        super().__init__(f"{name} changed since it was read; read it again", reason="ETAG_STALE")


class ContactUnreadableError(Exception):
    """A field that was stored encrypted is not what was stored, or is at another place, or the key is another one."""


class BlockedTermError(Exception):
    """A message would have said what may not leave; the text is not in the error."""


class TemplateError(Exception):
    """A template file breaks the rules for templates; the text names the file and the fault."""

"""What can stop the embedded PostgreSQL from starting: these end the process, and reach no caller of a service."""


class EmbeddedPostgresError(RuntimeError):
    """The embedded PostgreSQL cannot run; the message says why and what to do."""


class DataFolderInUseError(EmbeddedPostgresError):
    """Another process already runs the server of this data folder; the message names it."""

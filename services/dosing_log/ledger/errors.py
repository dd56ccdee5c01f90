"""What the ledger refuses. No message holds record content, salts or keys."""


class LedgerError(Exception):
    """Base of every error this package raises on purpose."""


class RecordError(LedgerError):
    """A record, salt or signature list has no canonical form, so nothing can commit to it."""


class MalformedError(LedgerError):
    """A note, key or checkpoint is not in its exact C2SP form."""


class UntrustedNoteError(LedgerError):
    """A note carries no valid signature of the expected key."""


class VerificationError(LedgerError):
    """Entries, opening or tree do not match what was committed to; the text names the first fault."""


class TamperedLogError(LedgerError):
    """A stored log no longer matches what was sequenced or signed.

    Attributes:
        origin: the log.
        index: the first entry that is known to be wrong, or from which on the log cannot be trusted.
    """

    def __init__(self, origin: str, index: int, fault: str) -> None:
        super().__init__(f"log {origin}, entry {index}: {fault}")
        self.origin = origin
        self.index = index

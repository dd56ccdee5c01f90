"""States of sessions, holds, hand-overs."""

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Nothing yet: the number is taken."""

"""Closures, exceptions of shifts, practitioners who leave."""

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Nothing yet: the number is taken."""

"""The waiting list and its offers."""

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Nothing yet: the number is taken."""

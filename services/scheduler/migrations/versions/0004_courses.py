"""Reviews, extension, pausing and ending of courses, assessments."""

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Nothing yet: the number is taken."""

"""Alembic's entry into this service's migrations."""

from services.notifications.storage.tables import METADATA
from services.runtime.migrations import run_environment

run_environment(METADATA)

"""Alembic's entry point."""

from services.runtime.migrations import run_environment
from services.scheduler.storage.tables import METADATA

run_environment(METADATA)

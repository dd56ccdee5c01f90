"""Alembic's entry point."""

from services.dosing_log.storage.tables import METADATA
from services.runtime.migrations import run_environment

run_environment(METADATA)

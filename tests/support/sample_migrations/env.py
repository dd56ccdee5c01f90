"""Alembic environment of the sample service."""

from services.runtime.migrations import run_environment
from tests.support.sample import METADATA

run_environment(METADATA)

"""Alembic migrations of the scheduler."""

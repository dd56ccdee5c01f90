"""What every table of the scheduler is made of."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import DateTime, ForeignKeyConstraint, MetaData, Text
from sqlalchemy import Table as CoreTable
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from services.runtime.tables import runtime_tables

METADATA = MetaData()
RUNTIME_TABLES = runtime_tables(METADATA)

ORGANIZATION = "organization_id"
INSTANT = DateTime(timezone=True)


class Table(SQLModel, registry=registry(metadata=METADATA)):
    """Base of the scheduler's tables, on a metadata of their own."""


def key() -> Any:
    """A part of the primary key."""
    return Field(primary_key=True)


def text_column() -> Any:
    """Text without a length."""
    return Field(sa_type=Text)


def instant(*, nullable: bool = False) -> Any:
    """An instant in UTC."""
    return Field(sa_type=INSTANT, nullable=nullable)


def references(table: str, *keys: str, columns: Sequence[str] = ()) -> ForeignKeyConstraint:
    """A foreign key within the organization, from `columns` where they have other names than the keys."""
    targets = [f"{table}.{key}" for key in (ORGANIZATION, *keys)]
    return ForeignKeyConstraint((ORGANIZATION, *(columns or keys)), targets)


def table_of(model: type[Table]) -> CoreTable:
    """Return the table of a model, for statements."""
    return METADATA.tables[str(model.__tablename__)]

"""One CSV file as rows of named cells, whatever spreadsheet wrote it."""

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from services.cli.roster.faults import FaultLog, Place
from services.cli.roster.files import SourceFile

T = TypeVar("T")

_DELIMITERS = ",;\t"  # a comma, the semicolon of Excel in Europe, a tab
_UNDECODABLE = "\ufffd"


@dataclass(frozen=True, slots=True)
class Row:
    """One line. Cells are trimmed; a column that the file lacks was noted once and reads as None."""

    place: Place
    cells: dict[str, str]

    def required(self, column: str, parser: Callable[[str], T]) -> T | None:
        """The parsed cell, or None after noting that it is empty or unusable."""
        if self.cells.get(column) == "":
            self.place.at(column).fault("is empty; fill it in")
        return self.optional(column, parser)

    def optional(self, column: str, parser: Callable[[str], T]) -> T | None:
        """The parsed cell; None where it is empty, and after noting that it is unusable."""
        cell = self.cells.get(column)
        return self.place.at(column).parse(cell, parser) if cell else None


def read_rows(file: SourceFile, columns: Sequence[str], log: FaultLog, *, private: bool) -> list[Row]:
    """The rows below the header; blank lines are left out.

    Understands a byte order mark, any line ending and the delimiters comma, semicolon and tab. What is wrong with
    the file itself (columns, encoding, quotes, number of cells) is noted, and what can be read is still returned.
    """
    text = file.data.decode("utf-8-sig", errors="replace")
    lines = _lines(text, Place(log, file.label, "", private))
    place, header = next(lines, (Place(log, f"{file.label}:1", "", private), []))
    names = [name.strip().lower() for name in header]
    _check_header(place, names, columns)
    rows = []
    for where, cells in lines:
        if len(cells) != len(names):
            where.fault(f"has {len(cells)} cells where the header has {len(names)}; check delimiters and quotes")
        row = Row(where, dict(zip(names, (cell.strip() for cell in cells), strict=False)))
        for name in columns:
            if _UNDECODABLE in row.cells.get(name, ""):
                where.at(name).fault("has characters that are not UTF-8; save the file as 'CSV UTF-8'")
        rows.append(row)
    return rows


def _lines(text: str, place: Place) -> Iterator[tuple[Place, list[str]]]:
    """The lines that are not blank, each with its place; a quoted cell may span several lines of the file."""
    header = text.lstrip().splitlines()[:1]
    delimiter = max(_DELIMITERS, key=header[0].count) if header else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    while True:
        where = Place(place.log, f"{place.source}:{reader.line_num + 1}", "", place.private)
        try:
            cells = next(reader, None)
        except csv.Error:
            where.fault("has a quote that is not closed, or a cell that is too long; lines from here on are not read")
            return
        if cells is None:
            return
        if any(cell.strip() for cell in cells):
            yield where, cells


def _check_header(place: Place, names: Sequence[str], columns: Sequence[str]) -> None:
    for number, name in enumerate(names, start=1):
        if name not in columns:
            # Without a header line, this is the first patient.
            shown = f"column {number}" if place.private else f"column {number}, {name[:40]!r},"
            place.fault(f"{shown} is not one of: {', '.join(columns)}")
    for name, count in Counter(names).items():
        if count > 1 and name in columns:
            place.at(name).fault("the column is there more than once")
    for name in columns:
        if name not in names:
            place.at(name).fault("the column is missing")

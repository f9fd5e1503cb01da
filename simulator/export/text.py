"""Text made safe for the file it goes into."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Sequence

from focusgroup.simulator.errors import UserError

Cell = str | int | float

_BREAKS = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")


def one_line(text: str) -> str:
    """The text on one line: control characters become spaces, runs of white space one space."""
    return " ".join(_BREAKS.sub(" ", text).split())


def checked_id(name: str, kind: str) -> str:
    """An id that may stand in a text file as it is.

    Raises:
        UserError: it holds a tab, a line break or another control character.
    """
    if not name or _BREAKS.search(name):
        raise UserError(
            f"{kind} id {name!r} cannot be written to a text file: it is empty or holds a control "
            "character. Rename it in the data, or export to parquet."
        )
    return name


def no_formula(text: str) -> str:
    """The text as a spreadsheet cell that is shown, not computed: ``'`` goes before one that begins
    with = + - @ tab or return, unless it is a plain number (OWASP, CSV injection)."""
    if text[:1] in ("=", "+", "-", "@", "\t", "\r") and text and not _NUMBER.fullmatch(text):
        return "'" + text
    return text


def delimited(header: Sequence[str], rows: Iterable[Sequence[Cell]], separator: str) -> bytes:
    """Rows as UTF-8, quoted where needed, floats in full, NaN empty, lines ending in a newline."""
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=separator, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([_cell(cell) for cell in row] for row in rows)
    return stream.getvalue().encode()


def _cell(cell: Cell) -> str:
    if isinstance(cell, float):
        return "" if math.isnan(cell) else repr(cell)
    return str(cell)

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
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
# What comes before a cell's first telling character: our own mark, white space, the unseen.
_BEFORE = "'\u200b\u200e\u200f\u2060\ufeff" + "".join(map(chr, range(33))) + "\xa0\u3000"
_STARTERS = tuple("=+-@\uff1d\uff0b\uff0d\uff20")  # and their full-width forms
NO_FORMULAS = (
    "a cell that a spreadsheet would compute, as it begins with = + - or @ and is no plain number, "
    "has an added `'` in front, ids too: take one `'` off to have the text as it was"
)


def one_line(text: str) -> str:
    """The text on one line: control characters become spaces, runs of white space one space."""
    whole = text.encode("utf-8", "replace").decode()
    return " ".join(_BREAKS.sub(" ", whole).split())


def checked_id(name: str, kind: str) -> str:
    """An id that may stand in a text file as it is.

    Raises:
        UserError: it holds a tab, a line break or another control character, or half a character.
    """
    if not name or _BREAKS.search(name) or any("\ud800" <= c <= "\udfff" for c in name):
        raise UserError(
            f"{kind} id {name!r} cannot be written to a text file: it is empty, or holds a control "
            "character or half a character. Rename it in the data, or export to parquet."
        )
    return name


def no_formula(text: str) -> str:
    """The text as a spreadsheet cell that is shown, not computed (OWASP, CSV injection).

    ``'`` goes before a text that begins with = + - @, whatever unseen or ``'`` stands before that,
    unless it is a plain number. One ``'`` taken off of such a text gives it back: no two texts
    become one.
    """
    told = text.lstrip(_BEFORE)
    return f"'{text}" if told.startswith(_STARTERS) and not _NUMBER.fullmatch(told) else text


def delimited(header: Sequence[str], rows: Iterable[Sequence[Cell]], separator: str) -> bytes:
    """Rows as UTF-8, quoted where needed, floats in full, NaN empty, lines ending in a newline; no
    text in it is a formula to a spreadsheet."""
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=separator, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([_cell(cell) for cell in row] for row in rows)
    return stream.getvalue().encode()


def _cell(cell: Cell) -> str:
    if isinstance(cell, float):
        return "" if math.isnan(cell) else repr(cell)
    return no_formula(cell) if isinstance(cell, str) else str(cell)

"""Text tables: CSV and its kin, every value as text, every row with its line.

Clean files take the fast path (Arrow); a file it refuses is read again row by row, to say what is
wrong and where.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv

from .problems import KEPT, Problem, ProblemKind, Problems, shown
from .raw_table import Place, RawTable


@dataclass(frozen=True, slots=True)
class Delimited:
    """How a text table is written.

    Attributes:
        separator: one character, or several ("::").
        header: column names where the file has no header line, else None.
        quotes: whether double quotes protect separators and line breaks.
    """

    separator: str = ","
    header: tuple[str, ...] | None = None
    quotes: bool = True
    encoding: str = "utf-8"


def read_delimited(path: Path, problems: Problems, written: Delimited) -> RawTable | None:
    name = str(path)
    content = _content(path, problems)
    if content is None:
        return None
    names = _header(content, written)[1] if written.header is None else list(written.header)
    if not names:
        problems.add(Problem(ProblemKind.EMPTY, name, 0, "", "", "a header line and rows"))
        return None
    twice = sorted({column for column in names if names.count(column) > 1})
    if twice:
        expected = "every column named once in the header"
        problems.add(Problem(ProblemKind.MISSING_COLUMN, name, 1, twice[0], "", expected))
        return None
    try:
        frame = _arrow_frame(content, written, names)
    except ValueError:  # Arrow's own complaint is one; it does not say where
        return _read_row_by_row(name, content, written, names, problems)

    def places(rows: Sequence[int]) -> list[Place]:
        wanted, lines = set(rows), {}
        for row, (line, _) in enumerate(_records(content, written)):
            if row in wanted:
                lines[row] = line
                if len(lines) == len(wanted):
                    break
        return [(name, lines.get(row, 0)) for row in rows]

    return RawTable(name, frame, places)


def _content(path: Path, problems: Problems) -> bytes | None:
    try:
        if path.suffix != ".gz":
            return path.read_bytes()
        with pa.OSFile(str(path)) as file, pa.CompressedInputStream(file, "gzip") as stream:
            content: bytes = stream.read()
            return content
    except OSError as error:
        expected = f"a file that can be read ({error})"
        problems.add(Problem(ProblemKind.UNREADABLE, str(path), 0, "", "", expected))
        return None


def _arrow_frame(content: bytes, written: Delimited, names: list[str]) -> pd.DataFrame:
    separator = written.separator
    if len(separator) > 1:
        # Arrow splits at one byte only; this control character occurs in no text file.
        content, separator = content.replace(separator.encode(), b"\x1f"), "\x1f"
    table = pa_csv.read_csv(
        pa.BufferReader(content),
        read_options=pa_csv.ReadOptions(
            column_names=names,
            skip_rows=0 if written.header else _header(content, written)[0],
            encoding=written.encoding,
        ),
        parse_options=pa_csv.ParseOptions(
            delimiter=separator,
            quote_char='"' if written.quotes else False,
            newlines_in_values=written.quotes,
        ),
        convert_options=pa_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
    )
    frame: pd.DataFrame = table.to_pandas()
    return frame


def _lines(content: bytes, written: Delimited, errors: str = "replace") -> Iterator[str]:
    encoding = "utf-8-sig" if written.encoding == "utf-8" else written.encoding
    return iter(io.TextIOWrapper(io.BytesIO(content), encoding, errors=errors, newline=""))


def _records(
    content: bytes, written: Delimited, *, with_header: bool = False
) -> Iterator[tuple[int, list[str]]]:
    """(1-based first line, fields) of each record that is not an empty line."""
    records = _all_records(content, written)
    if written.header is None and not with_header:
        next(records, None)
    yield from records


def _all_records(content: bytes, written: Delimited) -> Iterator[tuple[int, list[str]]]:
    lines = _lines(content, written)
    if not written.quotes:
        for number, line in enumerate(lines, start=1):
            text = line.rstrip("\r\n")
            if text:
                yield number, text.split(written.separator)
        return
    csv.field_size_limit(2**31 - 1)
    reader = csv.reader(lines, delimiter=written.separator)
    start = 1
    for fields in reader:
        if fields:
            yield start, fields
        start = reader.line_num + 1


def _header(content: bytes, written: Delimited) -> tuple[int, list[str]]:
    line, names = next(_records(content, written, with_header=True), (1, []))
    return line, [name.strip() for name in names]


def _read_row_by_row(
    name: str, content: bytes, written: Delimited, names: list[str], problems: Problems
) -> RawTable | None:
    if not check_encoding(name, content, written, problems):
        return None
    rows: list[list[str]] = []
    numbers: list[int] = []
    ragged: list[Problem] = []
    total = 0
    try:
        for line, fields in _records(content, written):
            if len(fields) == len(names):
                rows.append(fields)
                numbers.append(line)
                continue
            total += 1
            if len(ragged) < KEPT:
                value = f"{len(fields)} fields"
                expected = f"{len(names)} fields separated by {written.separator!r}"
                ragged.append(Problem(ProblemKind.RAGGED, name, line, "", value, expected))
    except csv.Error as error:
        expected = f"a delimited text file ({error})"
        problems.add(Problem(ProblemKind.UNREADABLE, name, 0, "", "", expected))
        return None
    problems.add_all(ragged, total=total)
    frame = pd.DataFrame(rows, columns=pd.Index(names), dtype=str)
    return RawTable(name, frame, lambda at: [(name, numbers[row]) for row in at])


def check_encoding(name: str, content: bytes, written: Delimited, problems: Problems) -> bool:
    try:
        content.decode(written.encoding)
    except UnicodeDecodeError:
        pass
    else:
        return True
    found: list[Problem] = []
    total = 0
    for number, line in enumerate(content.split(b"\n"), start=1):
        try:
            line.decode(written.encoding)
        except UnicodeDecodeError as error:
            total += 1
            if len(found) < KEPT:
                value = shown(line[max(error.start - 10, 0) : error.end + 10])
                expected = f"text in {written.encoding.upper()} (save the file in that encoding)"
                found.append(Problem(ProblemKind.NOT_UTF8, name, number, "", value, expected))
    problems.add_all(found, total=total)
    return False

"""A file as a table of raw values that remembers which line each row stands on.

Text is read as text: types are given by whoever knows what a column means. Clean files take the
fast path (Arrow); a file it refuses is read again row by row, to say what is wrong and where.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pa_parquet

from focusgroup.simulator.errors import UserError

from .problems import KEPT, Problem, ProblemKind, Problems, shown

Place = tuple[str, int]
Places = Callable[[Sequence[int]], list[Place]]


@dataclass(frozen=True, slots=True)
class RawTable:
    """Raw values of one file (or of several of one shape, one after the other).

    Attributes:
        name: the file, as errors name it.
        frame: the values as they stand, index 0..n-1.
        places: (file, 1-based row) of each of some row numbers.
    """

    name: str
    frame: pd.DataFrame
    places: Places

    def __len__(self) -> int:
        return len(self.frame)


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


def raw_frame(name: str, frame: pd.DataFrame) -> RawTable:
    """A frame that came from no text file: rows are counted from 1."""
    return RawTable(
        name, frame.reset_index(drop=True), lambda rows: [(name, int(row) + 1) for row in rows]
    )


def joined(tables: Sequence[RawTable]) -> RawTable:
    """Tables of one shape as one; each row keeps the place it came from."""
    if len(tables) == 1:
        return tables[0]
    ends = np.cumsum([len(table) for table in tables])

    def places(rows: Sequence[int]) -> list[Place]:
        found: list[Place] = []
        for row in rows:
            part = int(np.searchsorted(ends, row, side="right"))
            start = int(ends[part]) - len(tables[part])
            found += tables[part].places([int(row) - start])
        return found

    frame = pd.concat([table.frame for table in tables], ignore_index=True)
    return RawTable(" + ".join(table.name for table in tables), frame, places)


def read_table(path: Path, problems: Problems, written: Delimited | None = None) -> RawTable | None:
    """Read .csv/.tsv/.txt (also .gz), .parquet or .jsonl; None if nothing could be read.

    Args:
        written: how a text table is written; None goes by the ending.

    Raises:
        UserError: no such file, or an ending that is not known and nothing said how it is written.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    kind = (path.with_suffix("") if path.suffix == ".gz" else path).suffix.lower()
    if written is None and kind == ".parquet":
        table = _read_parquet(path, problems)
    elif written is None and kind in (".jsonl", ".ndjson"):
        table = _read_jsonl(path, problems)
    else:
        separators = {".csv": ",", ".tsv": "\t", ".txt": "\t"}
        if written is None and kind not in separators:
            raise UserError(
                f"{path}: unknown kind of file {kind!r}; known: .csv, .tsv, .txt, .parquet, .jsonl"
                " (.csv, .tsv and .txt also with .gz)"
            )
        table = _read_delimited(path, problems, written or Delimited(separators[kind]))
    if table is not None:
        problems.rows[str(path)] = len(table)
    return table


def _read_delimited(path: Path, problems: Problems, written: Delimited) -> RawTable | None:
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
    if not _check_encoding(name, content, written, problems):
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


def _check_encoding(name: str, content: bytes, written: Delimited, problems: Problems) -> bool:
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


def _read_parquet(path: Path, problems: Problems) -> RawTable | None:
    try:
        frame: pd.DataFrame = pa_parquet.read_table(path).to_pandas()
    except (pa.ArrowException, OSError) as error:
        expected = f"a Parquet file ({str(error).splitlines()[0]})"
        problems.add(Problem(ProblemKind.UNREADABLE, str(path), 0, "", "", expected))
        return None
    return raw_frame(str(path), frame)


def _read_jsonl(path: Path, problems: Problems) -> RawTable | None:
    name = str(path)
    content = path.read_bytes()
    if not _check_encoding(name, content, Delimited(), problems):
        return None
    rows: list[dict[str, object]] = []
    numbers: list[int] = []
    bad: list[Problem] = []
    for number, line in enumerate(content.decode("utf-8-sig").split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (json.JSONDecodeError, RecursionError):
            row = None
        if isinstance(row, dict):
            rows.append(row)
            numbers.append(number)
        else:
            expected = "one JSON object a line"
            bad.append(Problem(ProblemKind.RAGGED, name, number, "", shown(line), expected))
    problems.add_all(bad[:KEPT], total=len(bad))
    names = list(dict.fromkeys(key for row in rows for key in row))
    columns = {key: pd.Series([row.get(key) for row in rows], dtype=object) for key in names}
    return RawTable(name, pd.DataFrame(columns), lambda at: [(name, numbers[row]) for row in at])

"""A file as a raw table: CSV and its kin, Parquet, or JSON lines, by its ending."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pa_parquet

from focusgroup.simulator.errors import UserError

from .delimited import Delimited, check_encoding, read_delimited
from .problems import KEPT, Problem, ProblemKind, Problems, shown
from .raw_table import RawTable, raw_frame


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
        table = read_delimited(path, problems, written or Delimited(separators[kind]))
    if table is not None:
        problems.rows[str(path)] = len(table)
    return table


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
    if not check_encoding(name, content, Delimited(), problems):
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

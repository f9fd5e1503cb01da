"""Exports of a hostile catalogue: no formula, nothing outside the folder, and the data survives."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from focusgroup.simulator.errors import UserError
from focusgroup.simulator.export import FORMATS, file_name
from focusgroup.simulator.export.text import no_formula, one_line
from focusgroup.simulator.export.writing import checked_name, write_files
from focusgroup.simulator.types import (
    Catalog,
    Click,
    Item,
    NextPage,
    Rate,
    Response,
    Session,
    SessionEnd,
    SessionKey,
    Slate,
    Turn,
)

TEXT_FORMATS = {"recbole": "\t", "movielens": ","}
BREAKS = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")
NUMBER = re.compile(r"[+-]?[0-9.]+(e[+-]?[0-9]+)?")


def _cells(path: Path, separator: str) -> list[list[str]]:
    stream = io.StringIO(path.read_bytes().decode(), newline="")
    return list(csv.reader(stream, delimiter=separator))


def _computed(cell: str) -> bool:
    """Whether a spreadsheet would take the cell for a formula (OWASP, CSV injection)."""
    seen = cell.lstrip(" \u00a0\u3000\u200b\ufeff\u2060")
    return seen[:1] in tuple("=+-@\t\r＝＋－＠") and not NUMBER.fullmatch(seen)


def _whole(payload: Any) -> bool:
    """Whether the text can be an id in a text file."""
    return bool(payload.text) and not BREAKS.search(payload.text)


@pytest.mark.parametrize("format", sorted(FORMATS))
def test_texts_stay_in_their_cells(payload: Any, format: str, tmp_path: Path) -> None:
    text = payload.text
    name = text if _whole(payload) else "x" + BREAKS.sub("", text)
    catalog = Catalog({"i1": Item("i1", text, (text, "drama"), text), "i2": Item("i2", "Plain")})
    deeds = (Click("i1"), Rate("i1", 4.0), Rate("i2", 1.0), NextPage())
    turn = Turn(0, Slate(("i1", "i2")), Response(deeds, 0.5))
    sessions = [Session(SessionKey(name, name, "u1", 0), (turn,), SessionEnd.LIMIT)]
    users = pd.DataFrame({"user_id": ["u1"], "job": [text]})
    folder = tmp_path / "in"
    paths = FORMATS[format](sessions, catalog, users, folder, "run", answered_by={name: text})
    assert {path.parent for path in paths} == {folder}
    assert sorted(folder.iterdir()) == sorted(paths)
    assert list(tmp_path.iterdir()) == [folder]
    _sheet_is_harmless(paths[-1].read_text(encoding="utf-8"))
    if format == "parquet":
        rows = pq.read_table(folder / "run.items.parquet").to_pylist()
        assert rows[0]["title"] == text and rows[0]["attributes"] == [text, "drama"]
        assert pq.read_table(folder / "run.users.parquet").to_pylist()[0]["job"] == text
        return
    for path in paths[:-1]:
        cells = _cells(path, TEXT_FORMATS[format])
        assert len({len(row) for row in cells}) == 1
        assert not [cell for row in cells for cell in row if _computed(cell)]
    if format == "recbole":
        item = _cells(folder / "run.item", "\t")
        assert len(item) == 3 and len(_cells(folder / "run.inter", "\t")) == 4
        assert _back(item[1][1]) == one_line(text) == _back(item[1][3])
        assert _back(_cells(folder / "run.user", "\t")[1][1]) == one_line(text)
        assert {_back(row[7]) for row in _cells(folder / "run.inter", "\t")[1:]} == {name}
    else:
        assert len(_cells(folder / "movies.csv", ",")) == 3
        assert _back(_cells(folder / "movies.csv", ",")[1][1]) == one_line(text)


def _back(cell: str) -> str:
    """What the datasheet says: one ' taken off of a cell that would be a formula."""
    return cell[1:] if cell[:1] == "'" and no_formula(cell) != cell else cell


def _sheet_is_harmless(sheet: str) -> None:
    assert "<script" not in sheet and "<img" not in sheet and "<svg" not in sheet
    assert not re.search(r"(?<!\\)\]\(", sheet), "a link"
    assert not re.search(r"[\u202a-\u202e\u2066-\u2069\x00-\x08\x1b]", sheet)
    assert len([line for line in sheet.splitlines() if line.startswith("#")]) == 6


@pytest.mark.parametrize("format", sorted(FORMATS))
def test_ids_survive_or_are_refused(payload: Any, format: str, tmp_path: Path) -> None:
    text = payload.text
    catalog = Catalog({text: Item(text, "A"), "i2": Item("i2", "B")})
    turn = Turn(0, Slate((text, "i2")), Response((Rate(text, 4.0), Rate("i2", 1.0)), 0.5))
    sessions = [Session(SessionKey("a", "b", text, 0), (turn,), SessionEnd.LIMIT)]
    users = pd.DataFrame({"user_id": [text]})
    folder = tmp_path / "in"
    if format != "parquet" and not _whole(payload):
        with pytest.raises(UserError, match="export to parquet"):
            FORMATS[format](sessions, catalog, users, folder, "run")
        assert not list(tmp_path.iterdir())
        return
    FORMATS[format](sessions, catalog, users, folder, "run")
    assert list(tmp_path.iterdir()) == [folder]
    if format == "parquet":
        events = pq.read_table(folder / "run.events.parquet").to_pylist()
        assert {row["user_id"] for row in events} == {text}
        return
    names = {"recbole": ("run.inter", "run.item"), "movielens": ("ratings.csv", "movies.csv")}
    rated, items = (_cells(folder / name, TEXT_FORMATS[format]) for name in names[format])
    assert {_back(row[0]) for row in rated[1:]} == {text}
    # The same spelling in every file, so that they can be joined.
    assert {row[1] for row in rated[1:]} == {row[0] for row in items[1:]}
    assert {_back(row[0]) for row in items[1:]} == {text, "i2"}


def test_no_two_texts_become_one(payloads: Any) -> None:
    texts = {payload.text for payload in payloads}
    texts |= {"'" + text for text in texts} | {"''" + text for text in texts}
    assert len({no_formula(text) for text in texts}) == len(texts)
    assert all(_back(no_formula(text)) == text for text in texts)


@pytest.mark.parametrize("number", ["-5", "+3.5", "-1e5", "0", "1.5"])
def test_numbers_stay_numbers(number: str) -> None:
    assert no_formula(number) == number


def test_any_name_of_a_run_can_name_its_files(payloads: Any, tmp_path: Path) -> None:
    names = {file_name(payload.text) for payload in payloads}
    assert "run" in names and not [name for name in names if "/" in name or name[0] == "."]
    for name in names:
        write_files(tmp_path / "in", {f"{checked_name(name)}.exposures.parquet": b"x"})
    assert list(tmp_path.iterdir()) == [tmp_path / "in"]
    assert len(list((tmp_path / "in").iterdir())) == len(names)

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


def _can_be_id(text: str) -> bool:
    """Whether a text file can hold it as an id."""
    return bool(text) and not BREAKS.search(text)


def _session(name: str, user_id: str, item_id: str) -> Session:
    deeds = (Click(item_id), Rate(item_id, 4.0), NextPage())
    turn = Turn(0, Slate((item_id,)), Response(deeds, 0.5))
    return Session(SessionKey(name, name, user_id, 0), (turn,), SessionEnd.LIMIT)


@pytest.mark.parametrize("format", sorted(FORMATS))
def test_texts_stay_in_their_cells(payloads: Any, format: str, tmp_path: Path) -> None:
    """Each text is a title, a category, a description, a fact of a user, an arm, an audience."""
    texts = {f"{n:03d}": payload.text for n, payload in enumerate(payloads)}
    names = {n: t if _can_be_id(t) else f"x{n}{BREAKS.sub('', t)}" for n, t in texts.items()}
    catalog = Catalog({n: Item(n, text, (text, "drama"), text) for n, text in texts.items()})
    users = pd.DataFrame({"user_id": list(texts), "job": list(texts.values())})
    told = {names[n]: text for n, text in texts.items()}
    sessions = [_session(names[n], n, n) for n in texts]
    folder = tmp_path / "in"
    paths = FORMATS[format](sessions, catalog, users, folder, "run", answered_by=told)
    assert sorted(folder.iterdir()) == sorted(paths) and list(tmp_path.iterdir()) == [folder]
    _sheet_is_harmless(paths[-1].read_text(encoding="utf-8"))
    if format == "parquet":
        items = pq.read_table(folder / "run.items.parquet").to_pylist()
        assert {row["item_id"]: row["title"] for row in items} == texts
        assert [row["attributes"] for row in items] == [[text, "drama"] for text in texts.values()]
        people = pq.read_table(folder / "run.users.parquet").to_pylist()
        assert {row["user_id"]: row["job"] for row in people} == texts
        return
    for path in paths[:-1]:
        cells = _cells(path, TEXT_FORMATS[format])
        assert len({len(row) for row in cells}) == 1
        assert not [cell for row in cells for cell in row if _computed(cell)]
    shown = {n: one_line(text) for n, text in texts.items()}
    if format == "recbole":
        items = _cells(folder / "run.item", "\t")[1:]
        assert {row[0]: _back(row[1]) for row in items} == shown
        assert {row[0]: _back(row[3]) for row in items} == shown
        assert {row[0]: _back(row[1]) for row in _cells(folder / "run.user", "\t")[1:]} == shown
        events = _cells(folder / "run.inter", "\t")[1:]
        assert {row[0]: (_back(row[7]), _back(row[8])) for row in events} == {
            n: (name, name) for n, name in names.items()
        }
    else:
        assert {r[0]: _back(r[1]) for r in _cells(folder / "movies.csv", ",")[1:]} == shown
        assert {r[0]: _back(r[4]) for r in _cells(folder / "ratings.csv", ",")[1:]} == names


def _back(cell: str) -> str:
    """What the datasheet says: one ' taken off of a cell that would be a formula."""
    return cell[1:] if cell[:1] == "'" and no_formula(cell) != cell else cell


def _sheet_is_harmless(sheet: str) -> None:
    assert "<script" not in sheet and "<img" not in sheet and "<svg" not in sheet
    assert not re.search(r"(?<!\\)\]\(", sheet), "a link"
    assert not re.search(r"[\u202a-\u202e\u2066-\u2069\x00-\x08\x1b]", sheet)
    assert len([line for line in sheet.splitlines() if line.startswith("#")]) == 6


@pytest.mark.parametrize("format", sorted(FORMATS))
def test_ids_survive_or_are_refused(payloads: Any, format: str, tmp_path: Path) -> None:
    """Each text is the id of an item and of a user."""
    ids = {payload.text for payload in payloads if payload.text}
    folder = tmp_path / "in"

    def write(names: set[str]) -> None:
        catalog = Catalog({name: Item(name, "A") for name in names})
        sessions = [_session("a", name, name) for name in names]
        users = pd.DataFrame({"user_id": sorted(names)})
        FORMATS[format](sessions, catalog, users, folder, "run")

    refused = set() if format == "parquet" else {name for name in ids if not _can_be_id(name)}
    for name in refused:
        with pytest.raises(UserError, match="export to parquet"):
            write({name, "fine"})
        assert not list(tmp_path.iterdir())
    kept = ids - refused
    assert len(kept) > 100
    write(kept)
    assert list(tmp_path.iterdir()) == [folder]
    if format == "parquet":
        events = pq.read_table(folder / "run.events.parquet").to_pylist()
        assert {row["user_id"] for row in events} == {row["item_id"] for row in events} == kept
        return
    names = {"recbole": ("run.inter", "run.item"), "movielens": ("ratings.csv", "movies.csv")}
    rated, items = (_cells(folder / name, TEXT_FORMATS[format])[1:] for name in names[format])
    assert {_back(row[0]) for row in rated} == {_back(row[0]) for row in items} == kept
    # The same spelling in every file, so that they can be joined.
    assert {row[1] for row in rated} == {row[0] for row in items}


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

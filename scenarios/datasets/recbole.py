"""RecBole atomic files: NAME.inter, and if there are NAME.item and NAME.user.

Tab-separated, each column typed in the header (`user_id:token`, `rating:float`). Source of the
format: https://recbole.io/docs/user_guide/data/atomic_files.html
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from focusgroup.simulator.domain import Domain
from focusgroup.simulator.errors import UserError

from .columns import InteractionColumns, ItemColumns, RatingColumn, TimeColumn, UserColumns
from .dataset import Dataset
from .delimited import Delimited
from .interpret import interpret, refuse
from .problems import Problem, ProblemKind, Problems
from .raw_table import RawTable
from .table_file import read_table
from .titles import article_first
from .values import clean_text

_WRITTEN = Delimited("\t", quotes=False)
_TYPES = ("token", "token_seq", "float", "float_seq")
_TITLES = ("title", "movie_title", "item_title", "name", "item_name", "product_name")
_ATTRIBUTES = ("genre", "genres", "class", "category", "categories", "brand", "type", "artist")
_YEARS = ("release_year", "year")
_TEXTS = ("description", "abstract", "plot")


@dataclass(frozen=True, slots=True)
class _Typed:
    """A table and the type its header gives each column."""

    table: RawTable
    kinds: dict[str, str]


def is_recbole(path: Path) -> bool:
    """Whether `path` is a .inter file or a folder that holds one."""
    return path.suffix == ".inter" or (path.is_dir() and any(path.glob("*.inter")))


def read_recbole(path: Path) -> Dataset:
    """The dataset of a folder with one .inter file, or of a .inter file.

    Ratings are taken as stars (0.5 to 5; below 1 counts as 1); a `label` column as yes/no.

    Raises:
        UserError: several .inter files in the folder. BadDataset: what is wrong in the files.
    """
    stem = _one_inter(path).with_suffix("")
    problems = Problems()
    log = _read(stem.with_suffix(".inter"), problems, ("user_id", "item_id"))
    items, users = (
        _read(file, problems, (column,)) if file.is_file() else None
        for file, column in (
            (stem.with_suffix(".item"), "item_id"),
            (stem.with_suffix(".user"), "user_id"),
        )
    )
    if log is None:
        problems.stop_if_any()
    assert log is not None  # noqa: S101 - a table that could not be read left a problem
    return interpret(
        problems,
        Domain(stem.name),
        log=(log.table, _log_columns(log.kinds)),
        items=_items(items) if items is not None else None,
        users=(users.table, UserColumns(user="user_id")) if users is not None else None,
        source=f"RecBole atomic files {stem}.*",
    )


def _one_inter(path: Path) -> Path:
    if path.suffix == ".inter":
        return path
    found = sorted(path.glob("*.inter"))
    if len(found) != 1:
        names = ", ".join(file.name for file in found)
        raise UserError(f"{path}: holds several datasets ({names}); give one of these files")
    return found[0]


def _read(path: Path, problems: Problems, ids: tuple[str, ...]) -> _Typed | None:
    table = read_table(path, problems, _WRITTEN)
    if table is None:
        return None
    names: list[str] = []
    for header in table.frame.columns:
        name, _, kind = str(header).partition(":")
        if kind not in _TYPES:
            expected = f"a header NAME:TYPE with TYPE one of {', '.join(_TYPES)}"
            refuse(Problem(ProblemKind.MISSING_COLUMN, str(path), 1, str(header), "", expected))
        names.append(name)
    for name in ids:
        if name not in names:
            expected = f"a column '{name}:token'"
            refuse(Problem(ProblemKind.MISSING_COLUMN, str(path), 1, "", "", expected))
    kinds = [str(header).partition(":")[2] for header in table.frame.columns]
    frame = table.frame.set_axis(names, axis=1)
    return _Typed(RawTable(table.name, frame, table.places), dict(zip(names, kinds, strict=True)))


def _log_columns(names: Collection[str]) -> InteractionColumns:
    return InteractionColumns(
        user="user_id",
        item="item_id",
        rating=(
            RatingColumn(column="rating", scale=(0.5, 5.0), clip=True)
            if "rating" in names
            else None
        ),
        liked="label" if "label" in names and "rating" not in names else None,
        time=TimeColumn(column="timestamp") if "timestamp" in names else None,
    )


def _items(typed: _Typed) -> tuple[RawTable, ItemColumns]:
    table, frame, kinds = typed.table, typed.table.frame, typed.kinds
    title = next((name for name in _TITLES if name in kinds), "item_id")
    year = next((name for name in _YEARS if name in kinds), None)
    text = next((name for name in _TEXTS if name in kinds), None)
    named = [
        name
        for name, kind in kinds.items()
        if name not in (title, year, text, "item_id")
        and (kind == "token_seq" or (kind == "token" and name in _ATTRIBUTES))
    ]
    titles = [article_first(clean_text(value)) for value in frame[title]]
    if year is not None and title != "item_id":
        years = [_year(clean_text(value)) for value in frame[year]]
        titles = [
            f"{name} ({when})" if name and when and when not in name else name
            for name, when in zip(titles, years, strict=True)
        ]
    columns = {name: [_words(str(cell), kinds[name]) for cell in frame[name]] for name in named}
    readable = pd.DataFrame({"item_id": frame["item_id"], "title": titles, **columns})
    readable["description"] = frame[text] if text else ""
    readable["price"] = frame["price"] if kinds.get("price") == "float" else ""
    return RawTable(table.name, readable, table.places), ItemColumns(
        item="item_id",
        title="title",
        attributes=tuple(named),
        attribute_separator="|",
        description="description",
        price="price",
    )


def _year(text: str) -> str:
    found = re.search(r"\d{4}", text)
    return found[0] if found else ""


def _words(cell: str, kind: str) -> str:
    """The words of a sequence between bars: quoted or comma-separated as some files have them,
    else separated by spaces as the format says."""
    if kind == "token":
        return cell.replace("|", "/")
    parts = re.split(r"\s*[|,]\s*", cell) if re.search(r"[|,]", cell) else cell.split()
    return "|".join(part.strip(" '\"[]") for part in parts)

"""RecBole atomic files: NAME.inter, NAME.item, NAME.user, tab-separated, typed headers.

Format: https://recbole.io/docs/user_guide/data/atomic_files.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from focusgroup.simulator.errors import UserError
from focusgroup.simulator.types import Catalog, Item, Session

from .datasheet import datasheet
from .tables import Export, collect
from .text import NO_FORMULAS, Cell, checked_id, delimited, one_line
from .writing import checked_name, write_files

_TYPES = {
    **dict.fromkeys(("user_id", "item_id", "event", "audience", "arm"), "token"),
    **dict.fromkeys(("value", "round", "page", "slot", "propensity"), "float"),
}
_NOTES = (
    "In `.inter` every event is a row and `value` serves as the rating; order within a user is "
    "round, page, slot. In sequences (token_seq) spaces separate tokens, so spaces within an "
    f"attribute became `_`. In all files {NO_FORMULAS}."
)


def write(
    sessions: Iterable[Session],
    catalog: Catalog,
    users: pd.DataFrame,
    folder: Path,
    name: str,
    *,
    arm: str | None = None,
    audience: str | None = None,
    answered_by: Mapping[str, str] | None = None,
) -> list[Path]:
    """Write the three atomic files and a datasheet.

    Columns audience:token and arm:token are there unless the export is restricted to one;
    propensity:float where any is known; of items, price:float and description:token_seq likewise.

    Raises:
        UserError: unknown arm or audience, a bad name, an id with a control character, no sessions,
            or a folder that cannot be written.
    """
    checked_name(name)
    export = collect(sessions, catalog, users, arm=arm, audience=audience)
    files = {
        f"{name}.inter": _interactions(export),
        f"{name}.item": _items(export.items),
        f"{name}.user": _users(export.users),
    }
    what = dict(zip(files, ("what users did", "the catalogue", "who visited"), strict=True))
    files["DATASHEET.md"] = datasheet(export, name, what, answered_by or {}, _NOTES)
    return write_files(folder, files)


def _interactions(export: Export) -> bytes:
    columns = ["user_id", "item_id", "event", "value", "round", "page", "slot", *export.origin]
    if export.has_propensities:
        columns.append("propensity")
    for column, kind in (("user_id", "user"), ("item_id", "item"), ("arm", "arm")):
        for found in export.events[column].unique().tolist():
            checked_id(found, kind)
    header = [f"{column}:{_TYPES[column]}" for column in columns]
    rows = zip(*(export.events[column].tolist() for column in columns), strict=True)
    return delimited(header, rows, "\t")


def _items(items: tuple[Item, ...]) -> bytes:
    header = ["item_id:token", "title:token_seq", "attributes:token_seq"]
    priced = any(item.price is not None for item in items)
    described = any(item.description for item in items)
    header += ["price:float"] * priced + ["description:token_seq"] * described
    return delimited(header, (_item(item, priced, described) for item in items), "\t")


def _item(item: Item, priced: bool, described: bool) -> list[Cell]:
    attributes = " ".join(one_line(a).replace(" ", "_") for a in item.attributes)
    row: list[Cell] = [checked_id(item.item_id, "item"), one_line(item.title), attributes]
    if priced:
        row.append(float("nan") if item.price is None else float(item.price))
    if described:
        row.append(one_line(item.description))
    return row


def _users(users: pd.DataFrame) -> bytes:
    columns = [str(column) for column in users.columns]
    for column in columns:
        if not re.fullmatch(r"\w[\w -]*", column):
            raise UserError(
                f"column {column!r} of the users table cannot be a RecBole field: use letters, "
                "digits, '_' and '-'."
            )
    rows = (
        [checked_id(user_id, "user"), *(one_line(str(value)) for value in values)]
        for user_id, *values in users.itertuples(index=False, name=None)
    )
    return delimited([f"{column}:token" for column in columns], rows, "\t")

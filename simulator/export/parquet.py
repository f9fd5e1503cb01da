"""Parquet: every table with its types, for analysis and off-policy evaluation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from focusgroup.simulator.types import Catalog, Item, Session

from .datasheet import datasheet
from .tables import Export, collect
from .writing import checked_name, write_files

_NOTES = (
    "Text and ids are as they stand in the data, markup and what a spreadsheet takes for a formula "
    "included: escape them before you show them elsewhere."
)
_TYPES = {
    **dict.fromkeys(("user_id", "item_id", "event", "audience", "arm"), pa.string()),
    **dict.fromkeys(("round", "page", "slot"), pa.int32()),
    **dict.fromkeys(("clicked", "purchased"), pa.bool_()),
    **dict.fromkeys(("value", "price", "stars", "propensity", "p_click"), pa.float64()),
}


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
    """Write NAME.events, .exposures, .items and .users as Parquet, and a datasheet.

    Columns audience and arm are there unless the export is restricted to one. Unknown numbers are
    null.

    Raises:
        UserError: unknown arm or audience, a bad name, no sessions, or a folder that cannot be
            written.
    """
    checked_name(name)
    export = collect(sessions, catalog, users, arm=arm, audience=audience)
    hidden = {"audience", "arm"} - set(export.origin)
    files = {
        f"{name}.events.parquet": _encoded(_typed(export.events, hidden)),
        f"{name}.exposures.parquet": _encoded(_typed(export.exposures, hidden)),
        f"{name}.items.parquet": _encoded(_items(export.items)),
        f"{name}.users.parquet": _encoded(_users(export)),
    }
    held = ("what users did", "what they were shown", "the catalogue", "who visited")
    what = dict(zip(files, held, strict=True))
    files["DATASHEET.md"] = datasheet(export, name, what, answered_by or {}, _NOTES)
    return write_files(folder, files)


def _typed(frame: pd.DataFrame, hidden: set[str]) -> pa.Table:
    columns = [str(column) for column in frame.columns if column not in hidden]
    return pa.table({c: pa.array(frame[c], _TYPES[c], from_pandas=True) for c in columns})


def _items(items: tuple[Item, ...]) -> pa.Table:
    return pa.table(
        {
            "item_id": pa.array([item.item_id for item in items], pa.string()),
            "title": pa.array([_whole(item.title) for item in items], pa.string()),
            "attributes": pa.array(
                [[_whole(a) for a in item.attributes] for item in items], pa.list_(pa.string())
            ),
            "description": pa.array([_whole(item.description) for item in items], pa.string()),
            "price": pa.array([item.price for item in items], pa.float64()),
        }
    )


def _users(export: Export) -> pa.Table:
    return pa.table(
        {
            str(column): pa.array(
                [_whole(str(value)) for value in export.users[column]], pa.string()
            )
            for column in export.users.columns
        }
    )


def _whole(text: str) -> str:
    """Without halves of characters, which UTF-8 has no bytes for."""
    return text.encode("utf-8", "replace").decode()


def _encoded(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    content: bytes = sink.getvalue().to_pybytes()
    return content

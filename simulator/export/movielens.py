"""MovieLens layout (ml-latest): ratings.csv and movies.csv.

Format: https://files.grouplens.org/datasets/movielens/ml-latest-README.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from focusgroup.simulator.errors import UserError
from focusgroup.simulator.types import Catalog, Event, Item, Session

from .datasheet import datasheet
from .tables import Export, collect
from .text import NO_FORMULAS, checked_id, delimited, one_line
from .writing import checked_name, write_files

_NO_GENRES = "(no genres listed)"
_NOTES = (
    "`timestamp` is no clock time: it counts a user's ratings in an arm, 0 the first; `|` within a "
    f"genre became `/`. In all files {NO_FORMULAS}."
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
    """Write ratings.csv (userId, movieId, rating, timestamp), movies.csv and a datasheet.

    Columns audience and arm follow in ratings.csv unless the export is restricted to one; with both
    restricted the layout is exactly that of MovieLens. Only ratings fit it: clicks and purchases
    are left out.

    Raises:
        UserError: no ratings, unknown arm or audience, a bad name, an id with a control character,
            or a folder that cannot be written.
    """
    checked_name(name)
    export = collect(sessions, catalog, users, arm=arm, audience=audience)
    ratings = export.events[export.events["event"] == Event.RATE.value]
    if ratings.empty:
        raise UserError(
            "nobody rated anything in this run, and the MovieLens layout holds ratings only; "
            "use the format parquet or recbole."
        )
    files = {"ratings.csv": _ratings(ratings, export), "movies.csv": _movies(export.items)}
    what = dict(zip(files, ("stars given", "the catalogue"), strict=True))
    files["DATASHEET.md"] = datasheet(export, name, what, answered_by or {}, _NOTES)
    return write_files(folder, files)


def _ratings(ratings: pd.DataFrame, export: Export) -> bytes:
    order = ratings.groupby(["audience", "arm", "user_id"], sort=False).cumcount()
    columns = ["user_id", "item_id", *export.origin]
    text = {
        column: [checked_id(name, column.removesuffix("_id")) for name in ratings[column].tolist()]
        for column in columns
    }
    rows = zip(
        text["user_id"],
        text["item_id"],
        ratings["value"].tolist(),
        order.tolist(),
        *(text[column] for column in export.origin),
        strict=True,
    )
    return delimited(["userId", "movieId", "rating", "timestamp", *export.origin], rows, ",")


def _movies(items: tuple[Item, ...]) -> bytes:
    rows = (
        (
            checked_id(item.item_id, "item"),
            one_line(item.title),
            "|".join(one_line(a).replace("|", "/") for a in item.attributes) or _NO_GENRES,
        )
        for item in items
    )
    return delimited(["movieId", "title", "genres"], rows, ",")

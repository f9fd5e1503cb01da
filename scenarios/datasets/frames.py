"""A dataset in a few lines of Python: from data frames, or from files and their column names."""

from __future__ import annotations

from collections.abc import Mapping as Words
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from focusgroup.simulator.domain import Domain
from focusgroup.simulator.errors import UserError, did_you_mean

from .columns import InteractionColumns, ItemColumns, RatingColumn, TimeColumn, UserColumns
from .dataset import INTERACTION_COLUMNS, ITEM_COLUMNS, Dataset
from .interpret import interpret
from .mapping import Mapping, read_mapped
from .problems import Problems
from .raw_table import raw_frame
from .strict_yaml import validated


def from_frames(
    interactions: pd.DataFrame,
    items: pd.DataFrame | None = None,
    users: pd.DataFrame | None = None,
    *,
    domain: Domain | None = None,
) -> Dataset:
    """A dataset from frames whose columns have our names (see `Domain`).

    Args:
        interactions: user_id, item_id; optional event ("click", "purchase", "rate"; default: rate
            if there is `value`, else click), value (1-5 stars of ratings, quantity of purchases),
            positive (default: 3.5 stars or more; clicks and purchases always), timestamp
            (seconds since 1970, ISO 8601 texts or datetimes).
        items: item_id, title; optional attributes (lists, or texts with "|"), description, price.
        users: user_id and any columns.
        domain: name and words. Which kinds of data there are is read off the frames.

    Raises:
        UserError: an unknown column of interactions or items. BadDataset: rows that cannot be used.
    """
    _only_known("interactions", interactions, INTERACTION_COLUMNS)
    log = set(interactions.columns)
    if items is not None:
        _only_known("items", items, ITEM_COLUMNS)
    has = set() if items is None else set(items.columns)
    return interpret(
        Problems(),
        domain or Domain("own data"),
        log=(
            raw_frame("interactions", interactions),
            InteractionColumns(
                user="user_id",
                item="item_id",
                event="event" if "event" in log else None,
                rating=RatingColumn(column="value") if "value" in log else None,
                quantity="value" if "value" in log and "event" in log else None,
                liked="positive" if "positive" in log else None,
                time=TimeColumn(column="timestamp") if "timestamp" in log else None,
            ),
        ),
        items=(
            (
                raw_frame("items", items),
                ItemColumns(
                    item="item_id",
                    title="title",
                    attributes=("attributes",) if "attributes" in has else (),
                    description="description" if "description" in has else None,
                    price="price" if "price" in has else None,
                ),
            )
            if items is not None
            else None
        ),
        users=(raw_frame("users", users), UserColumns(user="user_id"))
        if users is not None
        else None,
        source="data frames",
    )


def _only_known(table: str, frame: pd.DataFrame, known: Sequence[str]) -> None:
    for column in frame.columns:
        if column not in known:
            raise UserError(
                f"{table}: unknown column {column!r}.{did_you_mean(str(column), known)} "
                "Drop it or rename it; users may have columns of any name"
            )


def from_csv(
    log: str | Path,
    *,
    user: str,
    item: str,
    rating: str | None = None,
    scale: tuple[float, float] = (1.0, 5.0),
    engaged: float | None = None,
    rejected: float | None = None,
    time: str | None = None,
    time_unit: str | None = None,
    time_format: str | None = None,
    event: str | None = None,
    events: Words[str, str] | None = None,
    always: str | None = None,
    quantity: str | None = None,
    liked: str | None = None,
    all_shown: bool = False,
    items: str | Path | None = None,
    item_id: str | None = None,
    title: str = "title",
    attributes: Sequence[str] = (),
    description: str | None = None,
    price: str | None = None,
    users: str | Path | None = None,
    user_id: str | None = None,
    name: str = "",
    item_noun: str = "item",
    click_verb: str = "open",
    currency: str = "",
) -> Dataset:
    """A dataset from CSV, Parquet or JSONL files, e.g.
    ``from_csv("log.csv", user="who", item="what", rating="stars", items="items.csv")``.

    The arguments are the keys of a mapping file (see `mapping`); `item_id` and `user_id` name the
    id columns of the items and users files where they differ from those of the log.

    Raises:
        UserError: a missing file or a wrong argument. BadDataset: rows that cannot be used.
    """
    asked: dict[str, object] = {
        "name": name,
        "item_noun": item_noun,
        "click_verb": click_verb,
        "currency": currency,
        "interactions": {
            "file": log,
            "user": user,
            "item": item,
            "rating": rating
            and {"column": rating, "scale": scale, "engaged": engaged, "rejected": rejected},
            "time": time and {"column": time, "unit": time_unit, "format": time_format},
            "event": event,
            "events": dict(events or {}),
            "always": always,
            "quantity": quantity,
            "liked": liked,
            "all_shown": all_shown,
        },
    }
    if items is not None:
        asked["items"] = {
            "file": items,
            "item": item_id or item,
            "title": title,
            "attributes": tuple(attributes),
            "description": description,
            "price": price,
        }
    if users is not None:
        asked["users"] = {"file": users, "user": user_id or user}
    return read_mapped(validated(asked, Mapping, "from_csv"), Path(), Path(log).stem)

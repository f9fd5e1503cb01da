"""What all export formats write: exposures, events, items and users of a run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from focusgroup.simulator.errors import UserError, did_you_mean
from focusgroup.simulator.metrics.exposures import Tables, flatten
from focusgroup.simulator.types import Catalog, Event, Item, Session

_PLACE = ("round", "page", "slot")
EVENT_COLUMNS = ("user_id", "item_id", "event", "value", *_PLACE)
EXPOSURE_COLUMNS = ("user_id", "item_id", "clicked", "purchased", "price", "stars", *_PLACE)
ORIGIN_COLUMNS = ("audience", "arm")


@dataclass(frozen=True, slots=True)
class Export:
    """A run, or one arm or audience of it, ready to be written.

    Rows are sorted by audience, arm, user, round, page, slot (and click, purchase, rating).
    Ids are strings; pages are 0-based, slots 1-based.

    Attributes:
        events: user_id, item_id, event, value (1 for a click or a purchase, stars for a rating),
            round, page, slot, audience, arm, propensity (NaN if unknown).
        exposures: every item shown on an answered page: user_id, item_id, clicked, purchased,
            price (paid, NaN if not bought), stars (NaN if not rated), round, page, slot, audience,
            arm, propensity, p_click (NaN if unknown).
        items: the catalogue, in its order.
        users: user_id of everyone who visited, sorted, and the columns known of them ("" if not).
        visits, unanswered: sessions, and pages that failed (these are not in `exposures`).
        arm, audience: what the export was restricted to, None for all.
    """

    events: pd.DataFrame
    exposures: pd.DataFrame
    items: tuple[Item, ...]
    users: pd.DataFrame
    visits: int
    unanswered: int
    arm: str | None
    audience: str | None

    @property
    def origin(self) -> tuple[str, ...]:
        """The columns that tell rows apart: arm, audience, unless the export holds one only."""
        restricted = {"audience": self.audience, "arm": self.arm}
        return tuple(column for column in ORIGIN_COLUMNS if restricted[column] is None)

    @property
    def has_propensities(self) -> bool:
        return bool(self.exposures["propensity"].notna().any())


def collect(
    sessions: Iterable[Session],
    catalog: Catalog,
    users: pd.DataFrame,
    *,
    arm: str | None = None,
    audience: str | None = None,
) -> Export:
    """The tables of an export; the latest attempt of every session counts.

    Args:
        users: user_id and any columns; rows of people who did not visit are left out, visitors
            without a row get empty cells.
        arm, audience: restrict the export to one.

    Raises:
        UserError: unknown arm or audience, or no sessions.
    """
    tables = _restricted(flatten(sessions), {"arm": arm, "audience": audience})
    exposures = _plain(tables.exposures[tables.exposures["answered"]])
    return Export(
        events=_events(exposures),
        exposures=exposures[[*EXPOSURE_COLUMNS, *ORIGIN_COLUMNS, "propensity", "p_click"]],
        items=tuple(catalog.values()),
        users=_users(tables.sessions, users),
        visits=len(tables.sessions),
        unanswered=int((~tables.turns["answered"]).sum()),
        arm=arm,
        audience=audience,
    )


def _restricted(tables: Tables, wanted: dict[str, str | None]) -> Tables:
    for column, name in wanted.items():
        if name is None:
            continue
        known = tables.sessions[column].cat.categories.tolist()
        if name not in known:
            hint = did_you_mean(name, known)
            raise UserError(f"{column} {name!r} is not in this run.{hint}")
        tables = Tables(
            tables.exposures[tables.exposures[column] == name],
            tables.turns[tables.turns[column] == name],
            tables.sessions[tables.sessions[column] == name],
        )
    if tables.sessions.empty:
        raise UserError("there are no sessions to export; run the scenario first.")
    return tables


def _plain(exposures: pd.DataFrame) -> pd.DataFrame:
    """Without categories, whose codes would depend on rows that are not exported."""
    names = ["audience", "arm", "user_id", "item_id"]
    return exposures.astype(dict.fromkeys(names, object)).reset_index(drop=True)


def _events(exposures: pd.DataFrame) -> pd.DataFrame:
    kinds = {
        Event.CLICK: (exposures["clicked"].to_numpy(), np.ones(len(exposures))),
        Event.PURCHASE: (exposures["purchased"].to_numpy(), np.ones(len(exposures))),
        Event.RATE: (exposures["stars"].notna().to_numpy(), exposures["stars"].to_numpy()),
    }
    rows, order, events, values = [], [], [], []
    for rank, (event, (happened, value)) in enumerate(kinds.items()):
        found = np.flatnonzero(happened)
        rows.append(found)
        order.append(np.full(len(found), rank))
        events += [event.value] * len(found)
        values.append(value[found])
    row = np.concatenate(rows)
    by_row = np.lexsort((np.concatenate(order), row))
    frame = exposures.take(row[by_row]).reset_index(drop=True)
    frame = frame.assign(
        event=np.array(events, object)[by_row], value=np.concatenate(values)[by_row]
    )
    return frame[[*EVENT_COLUMNS, *ORIGIN_COLUMNS, "propensity"]]


def _users(sessions: pd.DataFrame, users: pd.DataFrame) -> pd.DataFrame:
    if "user_id" not in users.columns:
        raise UserError("the users table has no column 'user_id'.")
    visitors = sorted(set(sessions["user_id"].tolist()))
    known = users.drop_duplicates("user_id").set_index("user_id")
    frame = known.reindex(visitors).astype(object)
    frame = frame.where(frame.notna(), "").rename_axis("user_id").reset_index()
    return frame.astype(dict.fromkeys(frame.columns, object))

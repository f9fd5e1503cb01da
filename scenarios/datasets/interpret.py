"""Raw tables and the meaning of their columns -> a dataset, or every problem found on the way."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NoReturn

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from focusgroup.simulator.domain import Domain
from focusgroup.simulator.errors import did_you_mean
from focusgroup.simulator.types import Event

from . import values
from .columns import InteractionColumns, ItemColumns, RatingColumn, TimeColumn, UserColumns
from .dataset import Dataset
from .problems import KEPT, Problem, ProblemKind, Problems, shown
from .raw_table import RawTable
from .tables import dataset_of

_LATEST = 1e11  # seconds since 1970, in the year 5138: a larger number is in another unit
Bad = NDArray[np.bool_]


def interpret(
    problems: Problems,
    domain: Domain,
    *,
    log: tuple[RawTable, InteractionColumns],
    items: tuple[RawTable, ItemColumns] | None = None,
    users: tuple[RawTable, UserColumns] | None = None,
    source: str = "",
    licence: str = "",
    notes: tuple[str, ...] = (),
) -> Dataset:
    """The dataset these tables hold.

    Args:
        problems: what reading the files has found so far; more is added.
        domain: its name and words. What counts as engagement and which kinds of data there are
            is filled in from the columns, unless `engaged` or `rejected` is already said.

    Raises:
        BadDataset: with every problem, after all tables were looked at.
    """
    catalogue = _items(problems, *items) if items else None
    people = _users(problems, *users) if users else None
    events = _Log(problems, *log)
    interactions = events.table(None if catalogue is None else catalogue["item_id"])
    problems.stop_if_any()
    assert interactions is not None  # noqa: S101 - what could not be read left a problem
    if catalogue is None:
        known = pd.Series(interactions["item_id"].unique())
        catalogue = pd.DataFrame({"item_id": known, "title": known, "description": ""})
        catalogue["attributes"] = [()] * len(known)
        catalogue["price"] = np.nan
    engaged, rejected = _words(log[1], interactions["event"])
    domain = replace(
        domain,
        engaged=engaged if domain.engaged == Domain("").engaged else domain.engaged,
        like_stars=_like_stars(log[1].rating, domain.like_stars),
        rejected=domain.rejected or rejected,
        has_ratings=bool((interactions["event"] == Event.RATE).any()),
        has_prices=bool(catalogue["price"].notna().any()),
        has_time=log[1].time is not None,
        has_negatives=log[1].all_shown or log[1].liked is not None,
    )
    return dataset_of(
        domain, interactions, catalogue, people, source=source, licence=licence, notes=notes
    )


def _report(
    problems: Problems, kind: ProblemKind, table: RawTable, column: str, bad: Bad, expected: str
) -> None:
    rows = np.flatnonzero(bad)
    first = [int(row) for row in rows[:KEPT]]
    cells = [table.frame[column].iloc[row] for row in first]
    found = [
        Problem(
            kind, file, line, column,
            shown(cell.item() if isinstance(cell, np.generic) else cell), expected,
        )
        for (file, line), cell in zip(table.places(first), cells, strict=True)
    ]  # fmt: skip
    problems.add_all(found, total=len(rows))


def _has_columns(problems: Problems, table: RawTable, columns: list[str | None]) -> bool:
    known = [str(name) for name in table.frame.columns]
    missing = [name for name in columns if name is not None and name not in known]
    for name in missing:
        hint = did_you_mean(name, known)
        problems.add(
            Problem(ProblemKind.MISSING_COLUMN, table.name, 1, "", "", f"a column {name!r}.{hint}")
        )
    return not missing


def _ids(problems: Problems, table: RawTable, column: str, *, unique: bool = False) -> pd.Series:
    found = values.id_texts(table.frame[column])
    empty = (found == "").to_numpy(np.bool_)
    expected = "an id (text or a whole number)"
    _report(problems, ProblemKind.MISSING_ID, table, column, empty, expected)
    if unique:
        twice = found.duplicated().to_numpy(np.bool_) & ~empty
        expected = "every id once"
        _report(problems, ProblemKind.DUPLICATE_ID, table, column, twice, expected)
    return found


def _items(problems: Problems, table: RawTable, means: ItemColumns) -> pd.DataFrame | None:
    wanted = [means.item, means.title, *means.attributes, means.description, means.price]
    if not _has_columns(problems, table, wanted):
        return None
    frame = table.frame
    ids = _ids(problems, table, means.item, unique=True)
    titles = values.texts(frame[means.title])
    columns = [frame[name] for name in means.attributes]
    catalogue = pd.DataFrame({"item_id": ids, "title": titles.where(titles != "", ids)})
    catalogue["attributes"] = (
        values.attribute_lists(columns, means.attribute_separator) if columns else [()] * len(frame)
    )
    catalogue["description"] = values.texts(frame[means.description]) if means.description else ""
    catalogue["price"] = np.nan
    if means.price is not None:
        prices = values.floats(frame[means.price])
        given = (values.texts(frame[means.price]) != "").to_numpy(np.bool_)
        bad = given & ~(prices >= 0)
        expected = "a price: a number, 0 or more, or nothing"
        _report(problems, ProblemKind.NUMBER, table, means.price, bad, expected)
        catalogue["price"] = prices
    return catalogue


def _users(problems: Problems, table: RawTable, means: UserColumns) -> pd.DataFrame | None:
    if not _has_columns(problems, table, [means.user, *(means.columns or ())]):
        return None
    ids = _ids(problems, table, means.user, unique=True)
    columns = means.columns
    if columns is None:
        columns = tuple(str(name) for name in table.frame.columns if name != means.user)
    people = {name: values.texts(table.frame[name]) for name in columns if name != "user_id"}
    return pd.DataFrame({"user_id": ids, **people})


@dataclass(frozen=True, slots=True)
class _Log:
    """The interaction log: one method a column."""

    problems: Problems
    raw: RawTable
    means: InteractionColumns

    def table(self, known_items: pd.Series | None) -> pd.DataFrame | None:
        """Typed interactions; None if there are none or a column is missing."""
        means = self.means
        wanted = [means.user, means.item, means.event, means.quantity, means.liked]
        wanted += [means.rating.column if means.rating else None]
        wanted += [means.time.column if means.time else None]
        if not _has_columns(self.problems, self.raw, wanted):
            return None
        if not len(self.raw):
            # Rows that were all unusable have been reported as such already.
            if not self.problems:
                expected = "at least one interaction"
                self.problems.add(Problem(ProblemKind.EMPTY, self.raw.name, 0, "", "", expected))
            return None
        users = _ids(self.problems, self.raw, means.user)
        items = _ids(self.problems, self.raw, means.item)
        if known_items is not None:
            strange = (~items.isin(known_items) & (items != "")).to_numpy(np.bool_)
            expected = "an item of the item table"
            self._bad(ProblemKind.UNKNOWN_ITEM, means.item, strange, expected)
        events = self._events()
        stars, positive = self._ratings(events)
        return pd.DataFrame(
            {
                "user_id": users,
                "item_id": items,
                "event": events,
                "value": self._values(events, stars),
                "positive": self._liked(positive),
                "timestamp": self._times(means.time),
            }
        )

    def _bad(self, kind: ProblemKind, column: str, bad: Bad, expected: str) -> None:
        _report(self.problems, kind, self.raw, column, bad, expected)

    def _events(self) -> pd.Series:
        means = self.means
        if means.event is None:
            always = means.always or (Event.RATE if means.rating else Event.CLICK)
            return pd.Series(str(always), index=self.raw.frame.index, dtype=str)
        words = {str(event): str(event) for event in Event}
        words |= {word.casefold(): str(event) for word, event in means.events.items()}
        events = values.texts(self.raw.frame[means.event]).str.casefold().map(words)
        expected = f"one of {', '.join(sorted(words))} (say what your words mean under `events`)"
        self._bad(ProblemKind.UNKNOWN_EVENT, means.event, events.isna().to_numpy(), expected)
        if means.rating is None:
            rated = (events == Event.RATE).to_numpy(np.bool_)
            expected = "no 'rate' events, or `rating`: the column with the stars"
            self._bad(ProblemKind.UNKNOWN_EVENT, means.event, rated, expected)
        return events.fillna("").astype(str)

    def _ratings(self, events: pd.Series) -> tuple[NDArray[np.float64], Bad]:
        rating, size = self.means.rating, len(self.raw)
        if rating is None:
            return np.ones(size), np.ones(size, np.bool_)
        low, high = rating.scale
        raw = values.floats(self.raw.frame[rating.column])
        rated = (events == Event.RATE).to_numpy(np.bool_)
        number, span = np.isfinite(raw), f"from {low:g} to {high:g}"
        self._bad(ProblemKind.NUMBER, rating.column, rated & ~number, f"a number {span}")
        outside = rated & number & ~((raw >= low) & (raw <= high))
        expected = f"a rating {span} (another scale: rating: {{column: NAME, scale: [1, 10]}})"
        self._bad(ProblemKind.RANGE, rating.column, outside, expected)
        return to_stars(raw, rating), np.where(rated, raw >= rating.thresholds[0], True)

    def _values(self, events: pd.Series, stars: NDArray[np.float64]) -> NDArray[np.float64]:
        amounts = np.ones(len(self.raw))
        if self.means.quantity is not None:
            given = values.floats(self.raw.frame[self.means.quantity])
            bought = (events == Event.PURCHASE).to_numpy(np.bool_)
            bad = bought & ~(given > 0)
            expected = "how many were bought: a number above 0"
            self._bad(ProblemKind.NUMBER, self.means.quantity, bad, expected)
            amounts = np.where(bought, given, 1.0)
        return np.where(events == Event.RATE, stars, amounts)

    def _liked(self, positive: Bad) -> Bad:
        if self.means.liked is None:
            return positive
        liked = values.flags(self.raw.frame[self.means.liked])
        expected = "yes, true or 1, or no, false or 0"
        self._bad(ProblemKind.FLAG, self.means.liked, np.isnan(liked), expected)
        return np.asarray(liked == 1.0, np.bool_)

    def _times(self, time: TimeColumn | None) -> NDArray[np.float64]:
        if time is None:
            return np.full(len(self.raw), np.nan)
        found = values.seconds(self.raw.frame[time.column], time.unit, time.format)
        form = f"written like {time.format!r}" if time.format else "in ISO 8601 or a number"
        missing = np.isnan(found)
        self._bad(ProblemKind.TIME, time.column, missing, f"a time {form}")
        expected = "seconds since 1970 (for other numbers say `unit: ms`, `us` or `ns`)"
        self._bad(ProblemKind.TIME, time.column, np.abs(found) > _LATEST, expected)
        return found


def to_stars(raw: NDArray[np.float64], rating: RatingColumn) -> NDArray[np.float64]:
    """Ratings of any scale as stars in [1, 5]: cut if `rating.clip`, else mapped linearly."""
    if rating.clip:
        return np.clip(raw, 1.0, 5.0)
    low, high = rating.scale
    return np.round(1.0 + 4.0 * (raw - low) / (high - low), 6)


def _like_stars(rating: RatingColumn | None, otherwise: float) -> float:
    if rating is None:
        return otherwise
    return float(to_stars(np.array([rating.thresholds[0]]), rating)[0])


def _words(means: InteractionColumns, events: pd.Series) -> tuple[str, str]:
    if means.liked is not None:
        return f"marked yes under {means.liked!r}", f"marked no under {means.liked!r}"
    found = set(events.unique())
    engaged = [
        word
        for event, word in ((Event.CLICK, "clicked"), (Event.PURCHASE, "bought"))
        if event in found
    ]
    rejected = ""
    if means.rating is not None and Event.RATE in found:
        up, down = means.rating.thresholds
        low, high = means.rating.scale
        stars = means.rating.clip or (low, high) == (1.0, 5.0)
        unit, scale = (" stars", "") if stars else ("", f" on a scale of {low:g} to {high:g}")
        engaged.append(f"rated {up:g}{unit} or more{scale}")
        rejected = f"rated {down:g}{unit} or less{scale}"
    return " or ".join(engaged), rejected


def refuse(problem: Problem) -> NoReturn:
    """Raises: BadDataset with this one problem, for readers of fixed formats."""
    problems = Problems()
    problems.add(problem)
    problems.stop_if_any()
    raise AssertionError("unreachable")

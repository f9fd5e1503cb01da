"""Personas from an interaction log: what sets each user apart from the others, by the numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd

from focusgroup.simulator.types import Catalog

from .attributes import explode_attributes
from .most import most
from .persona import Level, Persona, RatingHabit
from .salience import Salience
from .telling import TellingItems

KEPT = 1024  # personas: more than sessions in flight


@dataclass(frozen=True, slots=True)
class PortraitStyle:
    """How much a persona tells.

    Attributes:
        items: liked items named at most; half as many disliked ones.
        attributes: tastes named at most, and distastes.
        salience: z-score an attribute needs to count as a taste.
    """

    items: int = 6
    attributes: int = 4
    salience: float = 1.0


def personas_from_log(
    interactions: pd.DataFrame,
    catalog: Catalog,
    *,
    user_ids: Sequence[str],
    users: pd.DataFrame | None = None,
    style: PortraitStyle | None = None,
) -> Mapping[str, Persona]:
    """A persona for each of `user_ids`, made when it is asked for.

    Args:
        interactions: history of these and other users (columns of the log); the others are the
            yardstick for what is salient and for the levels. Held-out rows must not be in it.
        users: user_id and demographic columns; "" where unknown.

    A taste is an attribute among the user's choices more often than among everybody's, by a
    binomial z-score. A telling item is one the user rated higher, or took more often, than others
    do, with a bonus for carrying the user's tastes. The order of the rows does not matter.
    """
    style = style or PortraitStyle()
    log = interactions[interactions["item_id"].isin(catalog)]
    # One order of rows, so that sums have the same last bits whatever order they came in.
    log = log.sort_values(["user_id", "item_id", "event", "value"], ignore_index=True)
    chosen = log[log["positive"]].drop_duplicates(["user_id", "item_id"])
    carried = explode_attributes(chosen, catalog)
    return _Portraits(
        user_ids,
        style,
        facts=_user_facts(log, carried, catalog),
        salience=Salience.of(chosen, carried),
        telling=TellingItems.of(log, catalog),
        demographics=_Demographics.of(users),
    )


class _Portraits(Mapping[str, Persona]):
    """Personas by user id, painted when they are asked for; the last few are kept."""

    def __init__(
        self,
        user_ids: Sequence[str],
        style: PortraitStyle,
        *,
        facts: Mapping[str, _Facts],
        salience: Salience,
        telling: TellingItems,
        demographics: _Demographics,
    ) -> None:
        self._user_ids = dict.fromkeys(user_ids)
        self._style, self._facts, self._salience = style, facts, salience
        self._telling, self._demographics = telling, demographics
        self._kept = lru_cache(maxsize=KEPT)(self._painted)

    def __getstate__(self) -> dict[str, object]:
        # A cache cannot travel to another process, and need not.
        return {name: value for name, value in vars(self).items() if name != "_kept"}

    def __setstate__(self, state: dict[str, object]) -> None:
        vars(self).update(state)
        self._kept = lru_cache(maxsize=KEPT)(self._painted)

    def __getitem__(self, user_id: str) -> Persona:
        if user_id not in self._user_ids:
            raise KeyError(user_id)
        return self._kept(user_id)

    def __iter__(self) -> Iterator[str]:
        return iter(self._user_ids)

    def __len__(self) -> int:
        return len(self._user_ids)

    def __repr__(self) -> str:
        return repr(dict(self))

    def _painted(self, user_id: str) -> Persona:
        style, names = self._style, self._salience.attributes
        tastes: tuple[str, ...] = ()
        avoided: tuple[str, ...] = ()
        if (z := self._salience.of_user(user_id)) is not None:
            tastes = most(names, z, z >= style.salience, style.attributes)
            avoided = most(names, -z, z <= -style.salience, style.attributes)
        liked, disliked = self._telling.of_user(user_id, frozenset(tastes), style.items)
        fact = self._facts.get(user_id, _Facts())
        return Persona(
            persona_id=user_id,
            liked=liked,
            disliked=disliked,
            tastes=tastes,
            distastes=avoided,
            habit=fact.habit,
            activity=fact.activity,
            conformity=fact.conformity,
            diversity=fact.diversity,
            price_level=fact.price_level,
            demographics=self._demographics.of_user(user_id),
        )


@dataclass(frozen=True, slots=True)
class _Facts:
    habit: RatingHabit | None = None
    activity: Level | None = None
    conformity: Level | None = None
    diversity: Level | None = None
    price_level: Level | None = None


def _user_facts(log: pd.DataFrame, carried: pd.DataFrame, catalog: Catalog) -> dict[str, _Facts]:
    """By user, from all rows and from what the chosen items carry (a row per attribute)."""
    by_user = log.groupby("user_id")
    activity = _levels(by_user["item_id"].nunique())
    diversity = _levels(carried.groupby("user_id")["attribute"].nunique())
    liked = log[log["positive"]]
    log_prices = {
        i: math.log(item.price)
        for i, item in catalog.items()
        if item.price is not None and item.price > 0
    }
    log_price = liked["item_id"].map(log_prices).astype("float64")
    price_level = _levels(log_price.groupby(liked["user_id"]).mean().dropna())
    rated = log[log["event"] == "rate"]
    everyone = rated.groupby("item_id")["value"]
    deviation = (rated["value"] - everyone.transform("mean")).abs()
    compared = everyone.transform("size") > 1  # alone with an item, one agrees with nobody
    conformity = _levels(-deviation[compared].groupby(rated["user_id"]).mean())
    habits = {
        str(user): RatingHabit(float(v.mean()), float(v.std(ddof=0)), float((v <= 2).mean()))
        for user, v in rated.groupby("user_id")["value"]
    }
    return {
        user: _Facts(
            habits.get(user),
            activity.get(user),
            conformity.get(user),
            diversity.get(user),
            price_level.get(user),
        )
        for user in map(str, by_user.groups)
    }


def _levels(values: pd.Series) -> dict[str, Level]:
    """Thirds of a population; nobody is high or low where all are equal."""
    if values.empty:
        return {}
    low, high = np.quantile(values, [1 / 3, 2 / 3])
    return {
        str(user): Level.LOW if v < low else Level.HIGH if v > high else Level.MEDIUM
        for user, v in values.items()
    }


@dataclass(frozen=True, slots=True)
class _Demographics:
    """Columns of a table of users by name, and the row of each user."""

    rows: Mapping[str, int]
    columns: Sequence[tuple[str, Sequence[object]]]

    @classmethod
    def of(cls, users: pd.DataFrame | None) -> _Demographics:
        if users is None:
            return cls({}, ())
        told = [str(column) for column in users.columns if column != "user_id"]
        return cls(
            {str(user): row for row, user in enumerate(users["user_id"])},
            [(column.replace("_", " "), list(users[column])) for column in told],
        )

    def of_user(self, user_id: str) -> tuple[tuple[str, str], ...]:
        if (row := self.rows.get(user_id)) is None:
            return ()
        return tuple((name, str(c[row])) for name, c in self.columns if c[row])

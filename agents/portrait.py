"""Personas from an interaction log: what sets each user apart from the others, by the numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from focusgroup.simulator.types import Catalog

from .attributes import explode_attributes
from .excerpt import known_as
from .persona import Level, Persona, RatingHabit


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
) -> dict[str, Persona]:
    """A persona for each of `user_ids`.

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
    facts = _user_facts(log, carried, catalog)
    saliences = _attribute_salience(chosen, carried)
    everyone = _item_facts(log)
    demographics = _demographics(users)
    by_user = {str(user): rows for user, rows in log.groupby("user_id")}
    personas = {}
    for user_id in user_ids:
        tastes: tuple[str, ...] = ()
        avoided: tuple[str, ...] = ()
        liked: tuple[str, ...] = ()
        disliked: tuple[str, ...] = ()
        if user_id in saliences:
            z = saliences[user_id]
            tastes = _most(z[z >= style.salience], style.attributes)
            avoided = _most(-z[z <= -style.salience], style.attributes)
        if user_id in by_user:
            liked, disliked = _telling_items(
                by_user[user_id], catalog, everyone, set(tastes), style.items
            )
        fact = facts.get(user_id, _Facts())
        personas[user_id] = Persona(
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
            demographics=demographics.get(user_id, ()),
        )
    return personas


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


def _most(values: pd.Series, limit: int) -> tuple[str, ...]:
    """The labels of the highest values, ties by name."""
    ranked = sorted(values.items(), key=lambda pair: (-pair[1], str(pair[0])))
    return tuple(str(name) for name, _ in ranked[:limit])


def _attribute_salience(chosen: pd.DataFrame, carried: pd.DataFrame) -> pd.DataFrame:
    """(attributes, users): binomial z-scores of counts against everybody's share."""
    if carried.empty:
        return pd.DataFrame()
    counts = carried.groupby(["user_id", "attribute"]).size().unstack(fill_value=0)
    n = chosen.groupby("user_id").size().reindex(counts.index).to_numpy()[:, None]
    share = counts.sum().to_numpy()[None, :] / len(chosen)
    spread = np.sqrt(n * share * (1 - np.minimum(share, 0.999)))
    z = (counts.to_numpy() - n * share) / spread
    return pd.DataFrame(z.T, index=counts.columns, columns=counts.index)


def _item_facts(rows: pd.DataFrame) -> pd.DataFrame:
    """By item: mean stars (NaN if unrated), events, users, and whether any event was positive."""
    stars = rows["value"].where(rows["event"] == "rate")
    return (
        rows.assign(stars=stars)
        .groupby("item_id")
        .agg(
            stars=("stars", "mean"),
            times=("value", "size"),
            users=("user_id", "nunique"),
            positive=("positive", "any"),
        )
    )


def _telling_items(
    rows: pd.DataFrame, catalog: Catalog, everyone: pd.DataFrame, tastes: set[str], limit: int
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The items in one line each that a user's rows like best, and those they like least."""
    own = _item_facts(rows)
    others = everyone.loc[own.index]
    rated_above = (own["stars"] - others["stars"]).fillna(0.0)
    more_often = np.log(own["times"] * others["users"] / others["times"])
    carried = np.array([len(tastes.intersection(catalog[str(i)].attributes)) for i in own.index])
    known = 0.1 * np.log1p(others["users"])
    up = (rated_above + more_often + 0.5 * carried + known)[own["positive"]]
    down = (known - rated_above)[~own["positive"]]

    def lines(ids: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(known_as(catalog[i]) for i in ids)

    return lines(_most(up, limit)), lines(_most(down, limit // 2))


def _demographics(users: pd.DataFrame | None) -> dict[str, tuple[tuple[str, str], ...]]:
    if users is None:
        return {}
    columns = [str(c) for c in users.columns if c != "user_id"]
    return {
        str(row["user_id"]): tuple((c.replace("_", " "), str(row[c])) for c in columns if row[c])
        for _, row in users.iterrows()
    }

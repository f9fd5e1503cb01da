"""Personas from an interaction log: what sets each user apart from the others, by the numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from focusgroup.simulator.types import Catalog

from .attributes import explode_attributes
from .persona import Level, Persona, RatingHabit


@dataclass(frozen=True, slots=True)
class PortraitStyle:
    """How much a persona tells.

    Attributes:
        items: liked items named at most; half as many disliked ones.
        attributes: tastes named at most, and distastes.
        salience: z-score an attribute needs to count as a taste.
    """

    items: int = 8
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
    binomial z-score. A telling item is one the user rated (or bought) above what others do, with
    a bonus for carrying the user's tastes.
    """
    style = style or PortraitStyle()
    log = interactions[interactions["item_id"].isin(catalog)]
    facts = _user_facts(log, catalog)
    saliences = _attribute_salience(log, catalog)
    item_mean = log.groupby("item_id")["value"].mean()
    popularity = log.groupby("item_id")["user_id"].nunique()
    demographics = _demographics(users)
    by_user = {str(user): rows for user, rows in log.groupby("user_id", sort=False)}
    personas = {}
    for user_id in user_ids:
        salience = saliences.get(user_id, {})
        ranked = sorted(salience.items(), key=lambda pair: (-pair[1], pair[0]))
        tastes = [a for a, z in ranked if z >= style.salience][: style.attributes]
        avoided = [a for a, z in reversed(ranked) if z <= -style.salience][: style.attributes]
        rows = by_user.get(user_id)
        liked: tuple[str, ...] = ()
        disliked: tuple[str, ...] = ()
        if rows is not None:
            liked, disliked = _telling_items(
                rows, catalog, item_mean, popularity, set(tastes), style.items
            )
        fact = facts.get(user_id, _Facts())
        personas[user_id] = Persona(
            persona_id=user_id,
            liked=liked,
            disliked=disliked,
            tastes=tuple(tastes),
            distastes=tuple(avoided),
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


def _user_facts(log: pd.DataFrame, catalog: Catalog) -> dict[str, _Facts]:
    by_user = log.groupby("user_id")
    activity = _levels(by_user["item_id"].nunique())
    liked = log[log["positive"]]
    diversity = _levels(
        explode_attributes(liked, catalog).groupby("user_id")["attribute"].nunique()
    )
    prices = pd.Series([catalog[str(i)].price or np.nan for i in liked["item_id"]], dtype=float)
    log_price = pd.Series(np.log(prices.to_numpy()))
    mean_price = log_price.groupby(liked["user_id"].to_numpy()).mean()
    price_level = _levels(mean_price.dropna())
    rated = log[log["event"] == "rate"]
    deviation = (rated["value"] - rated.groupby("item_id")["value"].transform("mean")).abs()
    conformity = _levels(-deviation.groupby(rated["user_id"]).mean())
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


def _attribute_salience(log: pd.DataFrame, catalog: Catalog) -> dict[str, dict[str, float]]:
    """user -> attribute -> binomial z-score of its count against everybody's share."""
    liked = log[log["positive"]].drop_duplicates(["user_id", "item_id"])
    exploded = explode_attributes(liked, catalog)
    if exploded.empty:
        return {}
    counts = exploded.groupby(["user_id", "attribute"]).size().unstack(fill_value=0)
    n = liked.groupby("user_id").size().reindex(counts.index).to_numpy()[:, None]
    share = counts.sum().to_numpy()[None, :] / len(liked)
    spread = np.sqrt(n * share * (1 - np.minimum(share, 0.999)))
    z = (counts.to_numpy() - n * share) / spread
    names = [str(a) for a in counts.columns]
    return {
        str(user): dict(zip(names, row.tolist(), strict=True))
        for user, row in zip(counts.index, z, strict=True)
    }


def _telling_items(
    rows: pd.DataFrame,
    catalog: Catalog,
    item_mean: pd.Series,
    popularity: pd.Series,
    tastes: set[str],
    limit: int,
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    own = rows.groupby("item_id", as_index=False).agg(
        value=("value", "mean"), positive=("positive", "any"), times=("value", "size")
    )
    above = own["value"].to_numpy() - item_mean.reindex(own["item_id"]).to_numpy()
    habit = np.log1p(own["times"].to_numpy())
    known = np.log1p(popularity.reindex(own["item_id"]).to_numpy())
    taste = np.array([len(tastes & set(catalog[i].attributes)) for i in own["item_id"]])
    own["up"] = above + habit + 0.5 * taste + 0.1 * known
    own["down"] = -above + 0.1 * known
    liked = own[own["positive"]].sort_values(["up", "item_id"], ascending=[False, True])
    disliked = own[~own["positive"]].sort_values(["down", "item_id"], ascending=[False, True])

    def lines(ids: pd.Series) -> tuple[str, ...]:
        return tuple(catalog[i].text for i in ids)

    return lines(liked["item_id"].head(limit)), lines(disliked["item_id"].head(limit // 2))


def _demographics(users: pd.DataFrame | None) -> dict[str, tuple[tuple[str, str], ...]]:
    if users is None:
        return {}
    columns = [str(c) for c in users.columns if c != "user_id"]
    return {
        str(row["user_id"]): tuple((c.replace("_", " "), str(row[c])) for c in columns if row[c])
        for _, row in users.iterrows()
    }

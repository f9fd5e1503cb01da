"""New users that never were: sampled so that the log's joint distribution is kept.

A sampled user is a real one (so activity, rating habits, tastes and demographics go together as
they do in the log) with a share of the history exchanged for that of a similar user.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import TfidfTransformer

from focusgroup.simulator.noise import derive_seed
from focusgroup.simulator.types import Catalog

from .attributes import explode_attributes

_NEIGHBOURS = 5


def sample_population(
    interactions: pd.DataFrame,
    users: pd.DataFrame,
    catalog: Catalog,
    *,
    n: int,
    seed: int,
    exchanged: float = 0.3,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Histories and demographics of `n` new users, ids `s00000`, `s00001`, ...

    Args:
        interactions: the source users' history rows.
        exchanged: share in [0, 1] of a history's rows that come from a similar user instead.

    Returns:
        (interactions, users) with the columns of the inputs.
    """
    sources = sorted(interactions["user_id"].unique())
    by_user = dict(iter(interactions.groupby("user_id")))
    similar = _similarity(interactions, catalog, sources)
    rng = np.random.default_rng(derive_seed(seed, "population"))
    histories, people = [], []
    for number in range(n):
        new_id = f"s{number:05d}"
        source = int(rng.integers(len(sources)))
        neighbour = int(rng.choice(np.argsort(-similar[source], kind="stable")[:_NEIGHBOURS]))
        own, other = by_user[sources[source]], by_user[sources[neighbour]]
        kept = rng.random(len(own)) >= exchanged
        fresh = other[~other["item_id"].isin(own["item_id"])]
        taken = rng.permutation(len(fresh))[: int((~kept).sum())]
        history = pd.concat([own[kept], fresh.iloc[np.sort(taken)]])
        histories.append(history.assign(user_id=new_id))
        people.append((new_id, sources[source]))
    origin = pd.DataFrame(people, columns=["new_id", "user_id"])
    sampled = origin.merge(users, on="user_id", how="left").drop(columns="user_id").fillna("")
    history = pd.concat(histories).sort_values(["user_id", "timestamp", "item_id"])
    return (
        history.reset_index(drop=True)[list(interactions.columns)],
        sampled.rename(columns={"new_id": "user_id"}),
    )


def _similarity(
    interactions: pd.DataFrame, catalog: Catalog, sources: list[str]
) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Cosine of users' attribute profiles (tf-idf), minus infinity with oneself."""
    liked = interactions[interactions["positive"]]
    counts = (
        explode_attributes(liked, catalog)
        .groupby(["user_id", "attribute"])
        .size()
        .unstack(fill_value=0)
        .reindex(sources, fill_value=0)
    )
    profile = TfidfTransformer().fit_transform(counts.to_numpy(dtype="float64"))
    similar = np.asarray((profile @ profile.T).todense(), dtype="float64")
    np.fill_diagonal(similar, -np.inf)
    return similar

"""New users that never were: sampled so that the log's joint distribution is kept.

A sampled user is a real one (so activity, rating habits, tastes and demographics go together as
they do in the log) with a share of the history exchanged for that of a similar user.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from focusgroup.simulator.errors import UserError
from focusgroup.simulator.noise import derive_seed
from focusgroup.simulator.types import Catalog

from .features import weighted_histories
from .taste import ItemIndex, attribute_profiles, history_matrix

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
        interactions: the source users' history rows, in any order.
        users: user_id and demographic columns of the source users.
        exchanged: share in [0, 1] of a history's rows that come from a similar user instead, as far
            as that user has other items; at least one row, unless the share is 0.

    Returns:
        (interactions, users) with the columns of the inputs.

    Raises:
        UserError: fewer than two source users, or n below 1.
    """
    if n < 1:
        raise UserError(f"population: expected n of at least 1, got {n}")
    log = interactions.sort_values(["user_id", "timestamp", "item_id", "event", "value"])
    by_user = {str(user): rows for user, rows in log.groupby("user_id")}
    sources = list(by_user)
    if len(sources) < 2:
        raise UserError(
            f"population: {len(sources)} source users; at least 2 with a history are needed to mix"
        )
    profiles = _profiles(log, catalog)
    prefix = "s"
    while any(user_id.startswith(f"{prefix}0") for user_id in sources):
        prefix += "s"
    rng = np.random.default_rng(derive_seed(seed, "population"))
    histories, people = [], []
    for number in range(n):
        new_id = f"{prefix}{number:05d}"
        source = int(rng.integers(len(sources)))
        similar = np.round(profiles @ profiles[source], 9)
        similar[source] = -np.inf
        nearest = np.argsort(-similar, kind="stable")[: min(_NEIGHBOURS, len(sources) - 1)]
        own, other = by_user[sources[source]], by_user[sources[int(rng.choice(nearest))]]
        fresh = other[~other["item_id"].isin(own["item_id"])]
        wanted = max(1, round(exchanged * len(own))) if exchanged > 0 else 0
        moved = min(wanted, len(fresh))
        kept = np.sort(rng.permutation(len(own))[moved:])
        taken = np.sort(rng.permutation(len(fresh))[:moved])
        history = pd.concat([own.iloc[kept], fresh.iloc[taken]])
        histories.append(history.assign(user_id=new_id))
        people.append((new_id, sources[source]))
    origin = pd.DataFrame(people, columns=["new_id", "user_id"])
    sampled = origin.merge(users, on="user_id", how="left").drop(columns="user_id").fillna("")
    history = pd.concat(histories).sort_values(["user_id", "timestamp", "item_id"])
    return (
        history.reset_index(drop=True)[list(interactions.columns)],
        sampled.rename(columns={"new_id": "user_id"})[list(users.columns)],
    )


def _profiles(
    log: pd.DataFrame, catalog: Catalog
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """(users, attributes) of what each liked, rows of length 1 or 0, in the order of user ids."""
    index = ItemIndex.of(catalog)
    liked = weighted_histories(log[log["positive"]])
    histories = [liked.get(str(user), []) for user in sorted(log["user_id"].unique())]
    return attribute_profiles(index, history_matrix(index, histories))

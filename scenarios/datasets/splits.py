"""Who trains, who calibrates, who is simulated; and what of a user's log is kept back as truth.

A user's place depends on a hash of the seed and the user's own id: other users coming or going
move nobody but those next to a border.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from focusgroup.simulator.errors import UserError
from focusgroup.simulator.noise import derive_seed, item_uniforms, key_of

from .dataset import Dataset


@dataclass(frozen=True, slots=True)
class UserSplit:
    """Disjoint user ids, each group sorted.

    Attributes:
        training: their whole logs train the recommenders.
        calibration: taste model, item statistics and thresholds of the users come from them.
        audience: the users that are simulated.
    """

    training: tuple[str, ...]
    calibration: tuple[str, ...]
    audience: tuple[str, ...]


def split_history(
    dataset: Dataset, *, held_out: float = 0.2, seed: int = 0
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Each user's interactions as (history, held out), in canonical order.

    The held-out share of n events is floor(share x n), but at least 1 if n > 1: the last ones
    where the dataset has time (of equal times the last by item id), else drawn by `seed`.

    Args:
        held_out: share of each user's events, in (0, 1).
        seed: used only where there is no time.
    """
    if not 0 < held_out < 1:
        raise UserError(f"held_out must lie between 0 and 1, got {held_out!r}")
    log = dataset.interactions
    users, _ = pd.factorize(log["user_id"])
    order = np.arange(len(log))
    if not dataset.domain.has_time:
        order = np.lexsort((_draws(log, seed), users))
    size = np.bincount(users)
    kept_back = np.where(size > 1, np.maximum(1, np.floor(held_out * size + 1e-9)), 0)
    # The table is sorted by user, so each user's events are one run of `order`.
    rank = np.empty(len(log), np.int64)
    rank[order] = np.arange(len(log)) - np.repeat(np.cumsum(size) - size, size)
    late = rank >= (size - kept_back)[users]
    return log[~late].reset_index(drop=True), log[late].reset_index(drop=True)


def _draws(log: pd.DataFrame, seed: int) -> NDArray[np.float64]:
    def keys(column: str, prefix: str) -> NDArray[np.uint64]:
        codes, names = pd.factorize(log[column])
        return np.array([key_of(prefix + str(name)) for name in names], np.uint64)[codes]

    nth = log.groupby(["user_id", "item_id"]).cumcount().to_numpy().astype(np.uint64)
    visits = keys("user_id", f"{derive_seed('held out', seed)}\x1f")
    return item_uniforms(visits, keys("item_id", ""), "held out", nth)


def split_users(
    dataset: Dataset,
    *,
    seed: int,
    training: float = 0.35,
    calibration: float = 0.25,
    audience: float = 0.40,
    min_history: int = 10,
    held_out: float = 0.2,
) -> UserSplit:
    """Share out the users; the same seed and users give the same groups.

    Calibration and audience take only users with `min_history` events of history and something to
    find: a held-out positive with an item that is not in the history. The shares are of these
    users; all others join training, if it has a share.

    Args:
        training, calibration, audience: shares of the eligible users, together at most 1.
        held_out: the share `split_history` keeps back.

    Raises:
        UserError: shares that make no sense, or too few users for a group that has a share.
    """
    shares = {"training": training, "calibration": calibration, "audience": audience}
    if min(shares.values()) < 0 or not 0 < sum(shares.values()) <= 1 + 1e-9:
        raise UserError(f"shares must be 0 or more and together at most 1, got {shares}")
    eligible = _eligible(dataset, min_history, held_out, seed)
    everyone = [str(user) for user in dataset.interactions["user_id"].unique()]
    ranked = sorted(
        (user for user in everyone if user in eligible),
        key=lambda user: (key_of(f"{derive_seed('split', seed)}\x1f{user}"), user),
    )
    # The audience is cut first, the training last: who is simulated must not depend on the rest.
    cuts = np.round(np.cumsum([audience, calibration, training]) * len(ranked)).astype(int)
    found = UserSplit(
        training=tuple(
            sorted(
                {*ranked[cuts[1] : cuts[2]]} | ({*everyone} - eligible if training > 0 else set())
            )
        ),
        calibration=tuple(sorted(ranked[cuts[0] : cuts[1]])),
        audience=tuple(sorted(ranked[: cuts[0]])),
    )
    for group, share in shares.items():
        if share > 0 and not getattr(found, group):
            raise UserError(
                f"dataset {dataset.domain.name!r}: no users left for {group}: of {len(everyone)} "
                f"users {len(ranked)} have {min_history} events of history and a held-out like; "
                "lower min_history or bring more users"
            )
    return found


def _eligible(dataset: Dataset, min_history: int, held_out: float, seed: int) -> set[str]:
    history, later = split_history(dataset, held_out=held_out, seed=seed)
    counts = history["user_id"].value_counts()
    enough = set(counts.index[counts >= min_history])
    liked = later.loc[later["positive"], ["user_id", "item_id"]]
    seen = history[["user_id", "item_id"]].drop_duplicates()
    new = liked.merge(seen, how="left", on=["user_id", "item_id"], indicator=True)
    return enough & set(new.loc[new["_merge"] == "left_only", "user_id"])

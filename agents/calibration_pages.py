"""Pages whose truth is known, to learn on them what a language model's opinion is worth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from focusgroup.simulator.noise import derive_seed
from focusgroup.simulator.types import Event, Interaction, Slate

from .behaviour import BehaviourModel

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class CalibrationPage:
    """A page for a user whose reaction is known, and what the statistics say of it, a slot each.

    Attributes:
        engaged: whether the user went on to engage with the item.
        expected: the behaviour model's log-odds of that on this page, up to a number the page's
            slots share; () where the statistics are not to count.
        stars: stars the user gave, None where there are none; () where nobody rates.
        star_chances: what the behaviour model expects of them, for 1 ... 5 stars; () likewise.
    """

    user_id: str
    slate: Slate
    engaged: tuple[bool, ...]
    expected: tuple[float, ...] = ()
    stars: tuple[float | None, ...] = ()
    star_chances: tuple[tuple[float, ...], ...] = ()


def calibration_pages(
    model: BehaviourModel,
    history: pd.DataFrame,
    held_out: pd.DataFrame,
    user_ids: Sequence[str],
    *,
    k: int,
    seed: int,
) -> list[CalibrationPage]:
    """One page for each user with a history who went on to engage with something new.

    Up to half the slots hold what the user engaged with. The others hold what the user was shown
    and rejected, where the log has that. Elsewhere they are drawn from the items the user never
    had, in proportion to their popularity, so that popularity alone cannot tell them apart; as
    that makes popular items rarer among the engaged ones than the statistics say, its logarithm
    is taken off `expected` (sampling by a known rate: King and Zeng 2001). Slots are shuffled. A
    page is shorter than k where there is too little to show; a user for whom there is nothing
    else has none.
    """
    position = model.space.index.position
    item_ids = list(position)
    rejects = model.domain.has_negatives
    wanted = set(user_ids)
    past = {str(u): rows for u, rows in history[history["user_id"].isin(wanted)].groupby("user_id")}
    later = held_out[held_out["user_id"].isin(wanted) & held_out["item_id"].isin(position)]
    outcomes = {str(user): _outcomes(rows) for user, rows in later.groupby("user_id")}
    share = np.exp(model.space.popularity)
    pages = []
    for user_id in user_ids:
        if user_id not in past or user_id not in outcomes:
            continue
        rng = np.random.default_rng(derive_seed(seed, "calibration page", user_id))
        known = list(_interactions(past[user_id]))
        had = {one.item_id for one in known}
        seen = {i: outcome for i, outcome in outcomes[user_id].items() if i not in had}
        taken = sorted(i for i, (positive, _) in seen.items() if positive or not rejects)
        wins = _some(taken, max(1, k // 2), rng)
        if rejects:
            losses = _some(sorted(set(seen).difference(taken)), k - len(wins), rng)
        else:
            rate = np.where([i in had or i in seen for i in item_ids], 0.0, share)
            n = min(k - len(wins), int(np.count_nonzero(rate)))
            drawn = rng.choice(len(item_ids), n, replace=False, p=rate / rate.sum()) if n else ()
            losses = [item_ids[int(one)] for one in drawn]
        if not wins or not losses:
            continue
        ids = [*wins, *losses]
        order = [int(n) for n in rng.permutation(len(ids))]
        ids = [ids[n] for n in order]
        items = np.array([position[i] for i in ids], np.int64)
        judged = model.judge([known], np.zeros_like(items), items)
        expected = judged.log_odds if rejects else judged.log_odds - model.space.popularity[items]
        rated = judged.star_chances is not None
        pages.append(
            CalibrationPage(
                user_id,
                Slate(tuple(ids)),
                engaged=tuple(n < len(wins) for n in order),
                expected=tuple(float(one) for one in expected),
                stars=tuple(seen[i][1] if i in seen else None for i in ids) if rated else (),
                star_chances=_rows(judged.star_chances),
            )
        )
    return pages


def _outcomes(rows: pd.DataFrame) -> dict[str, tuple[bool, float | None]]:
    """item -> whether any event with it was positive, and the last stars given."""
    found: dict[str, tuple[bool, float | None]] = {}
    for item, event, value, positive in _fields(rows):
        before, stars = found.get(item, (False, None))
        found[item] = (before or positive, value if event is Event.RATE else stars)
    return found


def _interactions(rows: pd.DataFrame) -> Iterator[Interaction]:
    return (Interaction(i, event, value, positive) for i, event, value, positive in _fields(rows))


def _fields(rows: pd.DataFrame) -> Iterator[tuple[str, Event, float, bool]]:
    columns = (rows["item_id"], rows["event"], rows["value"], rows["positive"])
    for item, event, value, positive in zip(*columns, strict=True):
        yield str(item), Event(event), float(value), bool(positive)


def _some(ids: Sequence[str], n: int, rng: np.random.Generator) -> list[str]:
    return [ids[one] for one in rng.permutation(len(ids))[:n]]


def _rows(chances: Floats | None) -> tuple[tuple[float, ...], ...]:
    if chances is None:
        return ()
    return tuple(tuple(float(one) for one in row) for row in chances)

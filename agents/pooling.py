"""The language model's share: how much its opinion adds to what the statistics know.

Calibration users are shown pages of items they went on to engage with among items the behaviour
model finds as likely. The model's opinion, compared within the page, earns its weight there: a
model that knows nothing gets a weight near zero.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from focusgroup.simulator.noise import derive_seed
from focusgroup.simulator.protocols import Visit
from focusgroup.simulator.types import Interaction, Opinion, Response, Slate

from .behaviour import BehaviourModel
from .choice import sigmoid
from .elicit import Elicited
from .features import rated_histories, weighted_histories
from .memory import Memory


@dataclass(frozen=True, slots=True)
class CalibrationPage:
    """A page for a calibration user, and which slots the user went on to engage with."""

    user_id: str
    slate: Slate
    engaged: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class OpinionWeight:
    """Log-odds added per unit of opinion above its page's mean.

    Attributes:
        low, high: 95 % interval, bootstrapped over pages.
        pages: how many pages it was learned from.
    """

    value: float
    low: float
    high: float
    pages: int

    def log_odds(self, opinion: Opinion) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """What an opinion adds, one number a slot."""
        return np.asarray(self.value * _centred(opinion))


@dataclass(frozen=True, slots=True)
class Pooled:
    """Decides by the behaviour model with the language model's opinion pooled in."""

    model: BehaviourModel
    history: Callable[[str], Sequence[Interaction]]
    weight: OpinionWeight

    def decide(self, slate: Slate, visit: Visit, memory: Memory, said: Elicited) -> Response:
        added = self.weight.log_odds(said.opinion)
        response = self.model.respond([slate], [visit], [memory], self.history, added)[0]
        return replace(response, opinion=said.opinion, completion_keys=said.completion_keys)


def calibration_pages(
    model: BehaviourModel,
    history: pd.DataFrame,
    held_out: pd.DataFrame,
    user_ids: Sequence[str],
    *,
    k: int,
    seed: int,
) -> list[CalibrationPage]:
    """One page for each user who has a held-out engagement.

    Up to half the slots hold engaged items; the rest are drawn from the other items with
    probability proportional to the behaviour model's own, so that statistics alone cannot tell
    them apart. Slots are shuffled. A page is shorter than k where the catalogue is too small; a
    user for whom it holds no other item has none.
    """
    position = model.space.index.position
    item_ids = list(position)
    wanted = history[history["user_id"].isin(set(user_ids))]
    histories, ratings = weighted_histories(wanted), rated_histories(wanted)
    liked = held_out[held_out["positive"] & held_out["item_id"].isin(position)]
    truths = {str(u): set(rows) for u, rows in liked.groupby("user_id")["item_id"]}
    touched = {str(u): set(rows) for u, rows in held_out.groupby("user_id")["item_id"]}
    pages = []
    for user_id in user_ids:
        truth = sorted(truths.get(user_id, ()))
        if not truth or user_id not in histories:
            continue
        rng = np.random.default_rng(derive_seed(seed, "calibration page", user_id))
        side = model.space.users([histories[user_id]], [ratings.get(user_id, [])])
        everything = np.arange(len(item_ids))
        features = model.space.choice(side, np.zeros_like(everything), everything)
        chance = sigmoid(model.choice.log_odds(features))
        had = {i for i, _ in histories[user_id]} | touched[user_id]
        chance[[position[i] for i in had if i in position]] = 0.0
        wins = [truth[n] for n in rng.permutation(len(truth))[: max(1, k // 2)]]
        n_losses = min(k - len(wins), int(np.count_nonzero(chance)))
        if not n_losses:
            continue
        losses = rng.choice(len(item_ids), size=n_losses, replace=False, p=chance / chance.sum())
        ids = [*wins, *(item_ids[int(n)] for n in losses)]
        order = rng.permutation(len(ids))
        pages.append(
            CalibrationPage(
                user_id,
                Slate(tuple(ids[n] for n in order)),
                tuple(bool(n < len(wins)) for n in order),
            )
        )
    return pages


def weigh_opinions(
    pages: Sequence[CalibrationPage], opinions: Sequence[Opinion], *, seed: int
) -> OpinionWeight:
    """The weight of an opinion, by a regularised logit on opinions centred within their page.

    Args:
        opinions: one per page; pages the model could not answer are left out by the caller.
    """
    if not pages:
        return OpinionWeight(0.0, 0.0, 0.0, 0)
    scores = [_centred(opinion) for opinion in opinions]
    engaged = [np.array(page.engaged) for page in pages]
    value = _slope(np.concatenate(scores), np.concatenate(engaged))
    rng = np.random.default_rng(derive_seed(seed, "opinion weight"))
    draws = []
    for _ in range(200):
        chosen = rng.integers(len(pages), size=len(pages))
        draws.append(
            _slope(
                np.concatenate([scores[n] for n in chosen]),
                np.concatenate([engaged[n] for n in chosen]),
            )
        )
    low, high = np.quantile(draws, [0.025, 0.975])
    return OpinionWeight(value, float(low), float(high), len(pages))


def _centred(opinion: Opinion) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    scores = np.asarray(opinion.scores, dtype=np.float64)
    return np.asarray(scores - scores.mean())


def _slope(
    scores: np.ndarray[tuple[int], np.dtype[np.float64]],
    engaged: np.ndarray[tuple[int], np.dtype[np.bool_]],
) -> float:
    if engaged.all() or not engaged.any() or not scores.any():
        return 0.0
    fitted = LogisticRegression(C=1.0, solver="newton-cholesky").fit(scores[:, None], engaged)
    return float(fitted.coef_[0, 0])

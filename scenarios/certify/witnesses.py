"""Who answers an exam beside the language model: the behaviour model, and what it has to beat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import logit
from sklearn.linear_model import LogisticRegression

from focusgroup.agents import BehaviourModel
from focusgroup.simulator import Interaction
from focusgroup.simulator.fidelity import Answers, Exam
from focusgroup.simulator.noise import derive_seed

from .ground import Ground
from .paper import item_popularity, places, set_exam

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
SHRINK = 5.0  # pseudo-observations at the overall mean
LEVELS = 5

ALWAYS_YES, RANDOM, POPULARITY, BIASES = "always yes", "random", "popularity", "user + item bias"


def statistical(
    model: BehaviourModel, histories: Sequence[Sequence[Interaction]], exam: Exam
) -> Answers:
    """What the behaviour model says.

    Args:
        histories: what is known of each user of the exam, in the order of its `user_ids`.
    """
    judged = model.judge(histories, exam.users, exam.items)
    return Answers.of(judged.log_odds, judged.stars, judged.star_chances)


def single_signals(
    model: BehaviourModel, histories: Sequence[Sequence[Interaction]], exam: Exam
) -> dict[str, Answers]:
    """Each thing the behaviour model looks at, alone: it ranks, it does not predict."""
    return {
        name: Answers.of(values, calibrated=False)
        for name, values in model.signals(histories, exam.users, exam.items).items()
    }


def baselines(ground: Ground, exam: Exam, *, seed: int) -> dict[str, Answers]:
    """Users any simulator has to beat, by name; what they know comes from calibration users.

    `always yes`; `random`: everything on the page at the rate that is usual; `popularity`: one
    appeal an item, for everybody the same (its share of likes where all that was shown is rated);
    `user + item bias`: that, and how readily the user engages and rates.
    """
    calibration = set_exam(ground, ground.calibration, seed=derive_seed(seed, "baselines"))
    habits = _Habits.of(ground)
    item = habits.features(ground, exam)
    fitted = habits.features(ground, calibration)
    item_stars, both_stars = item[:, 1], np.clip(item[:, 1] + item[:, 3], 1, LEVELS)
    rated = bool((~np.isnan(calibration.stars)).any())
    return {
        ALWAYS_YES: Answers.of(np.full(len(exam), np.inf)),
        RANDOM: Answers.of(logit(calibration.taken.mean()) - exam.offset),
        POPULARITY: _rater(
            _log_odds(fitted[:, :2], calibration, item[:, :2]), item_stars, rated=rated
        ),
        BIASES: _rater(_log_odds(fitted, calibration, item), both_stars, rated=rated),
    }


@dataclass(frozen=True, slots=True)
class _Habits:
    """Item appeals, and what makes a user engage and rate more than others.

    Attributes:
        popularity, stars: (items,). mean: overall mean of stars. engaged: whether a low rating is a
            rejection, so that readiness is the share of likes, not the number of events.
    """

    popularity: Floats
    stars: Floats
    appeal: Floats
    mean: float
    rejects: bool

    @classmethod
    def of(cls, ground: Ground) -> _Habits:
        rows = ground.history[ground.history["user_id"].isin(set(ground.calibration))]
        position = {item_id: n for n, item_id in enumerate(ground.catalog)}
        items = places(rows["item_id"], position)
        rated = (rows["event"] == "rate").to_numpy()
        stars = rows["value"].to_numpy(np.float64)
        mean = float(stars[rated].mean()) if rated.any() else 0.0
        rejects = ground.dataset.domain.has_negatives
        popularity = item_popularity(ground)
        return cls(
            popularity=popularity,
            stars=mean + _shrunk(items[rated], stars[rated] - mean, len(position)),
            appeal=_shrunk(items, _centred(rows["positive"]), len(position))
            if rejects
            else popularity,
            mean=mean,
            rejects=rejects,
        )

    def features(self, ground: Ground, exam: Exam) -> Floats:
        """(n, 4): the item's appeal and stars, the user's readiness and stars above the items'."""
        rows = ground.history[ground.history["user_id"].isin(set(exam.user_ids))]
        row_of = {user_id: n for n, user_id in enumerate(exam.user_ids)}
        position = {item_id: n for n, item_id in enumerate(ground.catalog)}
        users = places(rows["user_id"], row_of)
        items = places(rows["item_id"], position)
        rated = (rows["event"] == "rate").to_numpy()
        above = rows["value"].to_numpy(np.float64) - self.stars[items]
        bias = _shrunk(users[rated], above[rated], len(row_of))
        if self.rejects:
            ready = _shrunk(users, _centred(rows["positive"]), len(row_of))
        else:
            ready = np.log1p(np.bincount(users, minlength=len(row_of)).astype(np.float64))
        return np.column_stack(
            (self.appeal[exam.items], self.stars[exam.items], ready[exam.users], bias[exam.users])
        )


def _centred(positive: pd.Series) -> Floats:
    values = np.asarray(positive, dtype=np.float64)
    return np.asarray(values - values.mean())


def _shrunk(groups: Integers, values: Floats, size: int) -> Floats:
    """Mean of each group, (size,), pulled to 0 by `SHRINK` pseudo-observations."""
    return np.asarray(
        np.bincount(groups, values, size) / (np.bincount(groups, minlength=size) + SHRINK)
    )


def _log_odds(features: Floats, exam: Exam, asked: Floats) -> Floats:
    """A logit learned on one exam, the kept rate of what was not taken undone, for other pairs."""
    centre, scale = features.mean(axis=0), features.std(axis=0)
    scale = np.where(scale > 1e-12, scale, 1.0)
    weight = np.where(exam.taken, 1.0, np.exp(exam.offset))
    fitted = LogisticRegression(C=1e6, max_iter=1000).fit(
        (features - centre) / scale, exam.taken, sample_weight=weight
    )
    return np.asarray(((asked - centre) / scale) @ fitted.coef_[0] + fitted.intercept_[0])


def _rater(log_odds: Floats, stars: Floats, *, rated: bool) -> Answers:
    """Somebody who gives the stars next to what is expected, in proportion."""
    if not rated:
        return Answers.of(log_odds)
    levels = np.arange(1, LEVELS + 1)
    return Answers.of(log_odds, stars, np.maximum(0.0, 1 - np.abs(stars[:, None] - levels)))

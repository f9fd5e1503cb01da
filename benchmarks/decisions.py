"""How well the behaviour model tells what test users went on to take, and rates, beside baselines.

On the certificate's exam: what a user took among equally popular items that the user did not take.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from time import perf_counter

import numpy as np
from machine import print_json
from numpy.typing import NDArray

from focusgroup.agents import BehaviourModel, fit_behaviour
from focusgroup.agents.features import CHOICE
from focusgroup.scenarios.certify.ground import Ground, lay_ground
from focusgroup.scenarios.certify.paper import set_exam
from focusgroup.scenarios.certify.signal import personal_signal
from focusgroup.scenarios.certify.witnesses import BIASES, baselines, single_signals, statistical
from focusgroup.scenarios.certify.yardsticks import item_means
from focusgroup.scenarios.datasets import load_dataset
from focusgroup.simulator.fidelity import Answers, Exam
from focusgroup.simulator.fidelity.chances import ece, engagement_ratio
from focusgroup.simulator.fidelity.choices import within_user_auc
from focusgroup.simulator.fidelity.contrast import contrast_pairs, persona_contrast
from focusgroup.simulator.noise import derive_seed

Floats = NDArray[np.float64]


def measure(name: str, folder: Path | None, seed: int) -> dict[str, object]:
    """Figures of the model on test users, and the same of others where they have them."""
    ground = lay_ground(load_dataset(name, folder), seed=seed)
    model, seconds = _fitted(ground)
    exam = set_exam(ground, ground.test, seed=seed)
    histories = [ground.histories(user_id) for user_id in exam.user_ids]
    began = perf_counter()
    answers = statistical(model, histories, exam)
    judged = perf_counter() - began
    others = baselines(ground, exam, seed=seed)
    signals = single_signals(model, histories, exam)
    aucs = {n: _auc(exam, a) for n, a in {**signals, **others}.items()}
    best = max(sorted(aucs), key=aucs.__getitem__)
    alike = item_means(ground)[exam.items] if ground.fully_observed else None
    pairs = contrast_pairs(exam, personal_signal(ground, exam), alike=alike)
    return {
        "test users": len(exam.user_ids),
        "questions": len(exam),
        "fit seconds": round(seconds, 1),
        "judged pairs per second": round(len(exam) / judged),
        "auc": _auc(exam, answers),
        "best other": {"name": best, "auc": aucs[best]},
        "auc of others": aucs,
        "ece": ece(exam, answers, seed=seed).value,
        "engagement ratio": engagement_ratio(exam, answers, seed=seed).value,
        "persona contrast": persona_contrast(exam, answers, pairs, seed=seed).value,
        "stars": _stars(exam, answers, others[BIASES]),
        "weights": dict(zip(CHOICE, model.choice.weights.round(3).tolist(), strict=True)),
    }


def _fitted(ground: Ground) -> tuple[BehaviourModel, float]:
    """The ground's own model again, timed."""
    began = perf_counter()
    model = fit_behaviour(
        ground.history, ground.held_out, ground.calibration, ground.catalog,
        ground.dataset.domain, seed=derive_seed(ground.seed, "behaviour"),
    )  # fmt: skip
    return model, perf_counter() - began


def _auc(exam: Exam, answers: Answers) -> float:
    """Mean within-user AUC; of probabilities, those that are right within the exam."""
    scores = answers.log_odds + exam.offset if answers.calibrated else answers.log_odds
    return float(np.nanmean(within_user_auc(exam, scores)))


def _stars(exam: Exam, answers: Answers, biases: Answers) -> dict[str, object] | None:
    rated = ~np.isnan(exam.stars)
    if not rated.any() or answers.star_chances is None:
        return None
    given = exam.stars[rated]
    near = np.maximum(0.0, 1 - np.abs(np.clip(given, 1, 5)[:, None] - np.arange(1, 6)))
    return {
        "rmse": _rmse(answers.stars[rated], given),
        "rmse of user + item bias": _rmse(biases.stars[rated], given),
        "within-user correlation": _correlation(exam.users[rated], answers.stars[rated], given),
        "shares": answers.star_chances[rated].mean(axis=0).round(3).tolist(),
        "real shares": near.mean(axis=0).round(3).tolist(),
    }


def _rmse(stars: Floats, given: Floats) -> float:
    return float(np.sqrt(np.mean((stars - given) ** 2)))


def _correlation(users: NDArray[np.int64], stars: Floats, given: Floats) -> float:
    found = []
    for user in np.unique(users):
        own = users == user
        if np.ptp(stars[own]) > 0 and np.ptp(given[own]) > 0:
            found.append(np.corrcoef(stars[own], given[own])[0, 1])
    return float(np.mean(found))


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", nargs="+", default=["movies", "groceries"])
    parser.add_argument("--data-dir", type=Path, help="folder of the data, where it needs one")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print_json({name: measure(name, options.data_dir, options.seed) for name in options.data})


if __name__ == "__main__":
    main()

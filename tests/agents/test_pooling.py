"""What an opinion is worth beside the statistics."""

from __future__ import annotations

import asyncio
import math
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from focusgroup.agents import (
    BehaviourModel,
    CalibrationPage,
    Elicited,
    OpinionWeight,
    Persona,
    Pooled,
    Prompter,
    Score,
    StatisticalUser,
    calibration_pages,
    load_language,
    pool,
    weigh_opinions,
)
from focusgroup.agents.behaviour import Judgement
from focusgroup.agents.llm import ScriptedLLM
from focusgroup.agents.llm.protocol import Completion, CompletionRequest
from focusgroup.agents.memory import remember
from focusgroup.agents.pooling import shifted
from focusgroup.simulator.noise import Noise
from focusgroup.simulator.protocols import Visit
from focusgroup.simulator.types import Opinion, Rate, Slate

K = 8


@pytest.fixture(scope="module")
def pages(films: Any, film_model: BehaviourModel) -> list[CalibrationPage]:
    return calibration_pages(
        film_model, films.history, films.held_out, films.calibration, k=K, seed=1
    )


# pages


def test_pages_hold_what_was_taken_later_among_what_never_was(
    films: Any, pages: list[CalibrationPage]
) -> None:
    assert len(pages) > 120
    for page in pages:
        ids = page.slate.item_ids
        assert len(set(ids)) == len(ids) == len(page.engaged) == len(page.expected) == K
        assert 1 <= sum(page.engaged) <= K // 2
        own = films.held_out[films.held_out["user_id"] == page.user_id]
        had = {i.item_id for i in films.interactions(page.user_id)}
        stars = dict(zip(own["item_id"], own["value"], strict=True))
        for item, engaged, given_stars in zip(ids, page.engaged, page.stars, strict=True):
            assert item not in had
            assert engaged is (item in stars)
            assert given_stars == stars.get(item)
    engaged_slots = np.mean([page.engaged for page in pages], axis=0)
    assert engaged_slots.max() - engaged_slots.min() < 0.25


def test_popularity_cannot_tell_what_was_taken(
    film_model: BehaviourModel, pages: list[CalibrationPage]
) -> None:
    position, popularity = film_model.space.index.position, film_model.space.popularity
    aucs = [
        roc_auc_score(page.engaged, [popularity[position[i]] for i in page.slate.item_ids])
        for page in pages
    ]
    assert np.mean(aucs) == pytest.approx(0.5, abs=0.04)


def test_where_the_log_holds_rejections_pages_are_made_of_what_was_shown(
    films: Any, film_model: BehaviourModel
) -> None:
    model = replace(film_model, domain=replace(film_model.domain, has_negatives=True))
    found = calibration_pages(
        model, films.history, films.held_out, films.calibration[:40], k=K, seed=1
    )
    assert len(found) > 20
    for page in found:
        own = films.held_out[films.held_out["user_id"] == page.user_id]
        liked = dict(zip(own["item_id"], own["positive"], strict=True))
        assert page.engaged == tuple(liked[i] for i in page.slate.item_ids)
        assert 0 < sum(page.engaged) < len(page.engaged)
        assert None not in page.stars


def test_pages_are_the_same_each_time_and_for_each_user_alone(
    films: Any, film_model: BehaviourModel, pages: list[CalibrationPage]
) -> None:
    user = films.calibration[3]
    alone = calibration_pages(film_model, films.history, films.held_out, [user], k=K, seed=1)
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


# weights


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


def test_an_opinion_earns_only_what_the_statistics_do_not_know() -> None:
    """One that repeats the statistics is right most of the time, and worth nothing beside them."""
    rng = np.random.default_rng(3)
    known, told, both = [], [], []
    for n in range(400):
        expected, news = rng.normal(0, 1.5, K), rng.normal(0, 1.0, K)
        engaged = rng.random(K) < 1 / (1 + np.exp(-(expected + 0.8 * news)))
        slate = Slate(tuple(str(i) for i in range(K)))
        known.append(CalibrationPage(f"u{n}", slate, tuple(map(bool, engaged)), tuple(expected)))
        told.append(Opinion(tuple(expected + rng.normal(0, 0.5, K))))
        both.append(Opinion(tuple(news)))
    repeated = weigh_opinions(known, told, seed=1)
    assert repeated.low < 0.1
    assert abs(repeated.value) < 0.15
    unaware = [replace(page, expected=()) for page in known]
    assert weigh_opinions(unaware, told, seed=1).low > 0.5
    assert weigh_opinions(known, both, seed=1).value == pytest.approx(0.8, abs=0.15)


def test_no_pages_or_no_differences_are_no_evidence(pages: list[CalibrationPage]) -> None:
    assert weigh_opinions([], [], seed=1) == OpinionWeight(0.0, 0.0, 0.0, 0)
    flat = [Opinion((3.0,) * K) for _ in pages]
    assert weigh_opinions(pages, flat, seed=1) == OpinionWeight(0.0, 0.0, 0.0, len(pages))
    one_sided = [replace(page, engaged=(True,) * K) for page in pages]
    assert weigh_opinions(one_sided, opinions(pages, 1.0), seed=1).value == 0.0


def test_a_bias_for_first_numbers_is_taken_off(pages: list[CalibrationPage]) -> None:
    rng = np.random.default_rng(2)
    biased = []
    for page in pages:
        numbers = rng.permutation(K) + 1
        scores = rng.normal(1.0 * np.array(page.engaged), 0.5) - 0.6 * numbers
        biased.append(Opinion(tuple(scores), numbers=tuple(int(n) for n in numbers)))
    weight = weigh_opinions(pages, biased, seed=1)
    assert weight.position == pytest.approx(0.6 * weight.value, rel=0.15)

    def auc(used: OpinionWeight) -> float:
        return float(
            np.mean(
                [
                    roc_auc_score(page.engaged, used.log_odds(opinion))
                    for page, opinion in zip(pages, biased, strict=True)
                ]
            )
        )

    assert auc(weight) > auc(replace(weight, position=0.0)) + 0.1
    added = np.concatenate([weight.log_odds(opinion) for opinion in biased])
    numbers = np.concatenate([opinion.numbers for opinion in biased])
    assert abs(np.corrcoef(added, numbers)[0, 1]) < 0.1


# a language model behind the opinions


def film_fan(films: Any, *, taste: float, appeal: float) -> ScriptedLLM:
    """Knows what the persona loves, to a degree, and likes some films whoever is asked."""

    def answer(request: CompletionRequest) -> Completion:
        genre, number = re.findall(r"^(\w+) (\d+)", request.messages[-1].content, re.MULTILINE)[-1]
        loved = f"loves {genre.lower()}" in request.messages[0].content
        liked_by_all = math.sin(int(number))  # has nothing to do with anything in the log
        p = 1 / (1 + math.exp(-(taste * loved + appeal * liked_by_all)))
        return Completion("?", logprobs=(("yes", math.log(p)), ("no", math.log(1 - p))))

    return ScriptedLLM(answer)


def asked(
    films: Any, llm: ScriptedLLM, pages: list[CalibrationPage], style: Score
) -> list[Opinion]:
    prompter = Prompter(load_language("en"), films.domain)

    async def all_of_them() -> list[Opinion]:
        found = []
        for page in pages:
            who = Persona(page.user_id, notes=f"Someone who loves {films.loves[page.user_id]}.")
            noise = Noise(0, page.user_id, 0)
            visit = Visit(page.user_id, "a", 0, 0, (), (), films.catalog, noise)
            said = await style.ask(llm, prompter, who, remember((), ()), page.slate, visit)
            found.append(said.opinion)
        return found

    return asyncio.run(all_of_them())


@pytest.fixture(scope="module")
def half_known(films: Any, pages: list[CalibrationPage]) -> list[CalibrationPage]:
    """The same pages where the statistics know popularity alone."""
    return [replace(page, expected=()) for page in pages]


def test_a_model_that_knows_the_taste_improves_on_the_statistics(
    films: Any, half_known: list[CalibrationPage]
) -> None:
    llm = film_fan(films, taste=2.0, appeal=0.5)
    said = asked(films, llm, half_known, Score(less_prior=True))
    learned, measured = half_known[::2], half_known[1::2]
    weight = weigh_opinions(learned, said[::2], seed=1)
    assert weight.low > 0.2
    aucs = [
        roc_auc_score(page.engaged, weight.log_odds(opinion))
        for page, opinion in zip(measured, said[1::2], strict=True)
    ]
    assert np.mean(aucs) > 0.65  # popularity alone is at a half


def test_a_model_with_a_taste_of_its_own_earns_nothing_less_its_prior(
    films: Any, half_known: list[CalibrationPage]
) -> None:
    """It has an opinion of films, and none of people."""
    llm = film_fan(films, taste=0.0, appeal=3.0)
    said = asked(films, llm, half_known[:60], Score(less_prior=True))
    assert weigh_opinions(half_known[:60], said, seed=1).value == pytest.approx(0.0, abs=1e-6)
    with_prior = asked(films, llm, half_known[:60], Score())
    assert max(abs(score) for opinion in with_prior for score in opinion.scores) > 2


# stars


def test_an_opinion_of_stars_earns_a_weight_beside_what_was_expected(
    pages: list[CalibrationPage],
) -> None:
    rng = np.random.default_rng(4)
    expected = [np.array(page.star_chances) @ np.arange(1.0, 6) for page in pages]
    knowing = [
        Opinion(
            tuple(
                rng.normal(0 if stars is None else stars - mean, 0.7)
                for stars, mean in zip(page.stars, means, strict=True)
            )
        )
        for page, means in zip(pages, expected, strict=True)
    ]
    weight = weigh_opinions(pages, knowing, seed=1)
    assert weight.stars > 0.5
    assert abs(weigh_opinions(pages, opinions(pages, 0.0), seed=1).stars) < 0.25
    page, opinion = pages[0], Opinion((-6.0, *(0.0,) * (K - 2), 6.0))
    before = np.array(page.star_chances)
    judged = Judgement(np.zeros(K), expected[0], before)
    pooled = pool(judged, [opinion], weight)
    assert pooled.stars is not None
    assert pooled.star_chances is not None
    assert pooled.stars[0] < expected[0][0] < pooled.stars[-1] + expected[0][0] - expected[0][-1]
    assert pooled.star_chances[0, :2].sum() > before[0, :2].sum()  # ones and twos
    assert pooled.star_chances[1:-1] == pytest.approx(before[1:-1], abs=1e-5)


@given(
    chances=st.lists(st.floats(0, 1), min_size=5, max_size=5).filter(lambda c: sum(c) > 0.1),
    shift=st.floats(-8, 8),
)
def test_shifted_stars_are_chances_that_follow_the_shift(
    chances: list[float], shift: float
) -> None:
    before = np.array([chances]) / sum(chances)
    after = shifted(before, np.array([shift]))
    assert after.sum() == pytest.approx(1)
    assert after.min() >= -1e-12
    moved = float((after - before)[0] @ np.arange(1, 6))
    assert moved * shift >= -1e-4 * abs(shift)


def test_pooled_pages_lie_one_after_the_other() -> None:
    weight = OpinionWeight(2.0, 1.0, 3.0, 9, position=0.5)
    judged = Judgement(np.array([1.0, 1.0, 0.0, 0.0, 0.0]), None, None)
    told = [Opinion((1.0, 3.0), numbers=(2, 1)), Opinion((0.0, 0.0, 3.0))]
    assert pool(judged, told, weight).log_odds == pytest.approx([-0.75, 2.75, -2.0, -2.0, 4.0])


# pooling in a session


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


def test_stars_follow_the_opinion_in_a_session_too(films: Any, film_model: BehaviourModel) -> None:
    slate, memory = Slate(tuple(films.catalog)[:6]), remember((), ())
    said = Elicited(Opinion((6.0, 0.0, 0.0, 0.0, 0.0, -6.0)))

    def rated(weight: OpinionWeight) -> tuple[list[float], list[float]]:
        """Expected stars of the slots of a page, and what was given to the last one."""
        expected: list[float] = []
        given: list[float] = []
        for user in films.audience[:120]:
            visit = Visit(user, "a", 0, 0, (), (), films.catalog, Noise(0, user, 0))
            pooled = Pooled(film_model, films.interactions, weight)
            response = pooled.decide(slate, visit, memory, said)
            expected = [odds.stars or 0.0 for odds in response.odds or ()]
            last = slate.item_ids[-1]
            given += [
                a.stars for a in response.actions if isinstance(a, Rate) and a.item_id == last
            ]
        return expected, given

    deaf, given_deaf = rated(OpinionWeight(0.0, 0.0, 0.0, 9))
    heard, given_heard = rated(OpinionWeight(0.0, 0.0, 0.0, 9, stars=0.5))
    assert heard[0] > deaf[0] + 0.2
    assert heard[1:-1] == pytest.approx(deaf[1:-1])
    assert heard[-1] < deaf[-1] - 0.5
    assert len(given_heard) == len(given_deaf)  # stars alone were moved
    assert min(given_heard) == 1.0
    assert np.mean(given_heard) < np.mean(given_deaf) - 0.5

"""The panel: asked once, failures counted, weighed, replayed."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from focusgroup.agents import Answer, Score
from focusgroup.agents.llm import CompletionRequest
from focusgroup.scenarios.certify.ground import Ground
from focusgroup.scenarios.certify.panel import exam_pages
from focusgroup.scenarios.certify.probes_persona import (
    stand_ins,
    swapped_histories,
    swapped_personas,
)
from focusgroup.simulator import UserError
from focusgroup.simulator.fidelity import Exam
from focusgroup.simulator.fidelity.choices import within_user_auc


def judged(ground: Ground, exam: Exam) -> Any:
    histories = [ground.histories(user) for user in exam.user_ids]
    return ground.behaviour.judge(histories, exam.users, exam.items)


def auc(exam: Exam, scores: Any) -> float:
    return float(np.nanmean(within_user_auc(exam, scores)))


@pytest.mark.parametrize("style", [Answer(), Score()])
def test_a_panel_that_knows_tastes_earns_a_weight_and_answers_better(
    seats: Any, planted: Ground, planted_exam: Exam, honest_model: Any, style: Any
) -> None:
    async def go() -> Any:
        panel = await seats(honest_model, style, learns=True)
        return panel, await panel.answer(planted_exam)

    panel, opinions = asyncio.run(go())
    alone = panel.alone(planted_exam, opinions)
    pooled = panel.pooled(planted_exam, opinions, judged(planted, planted_exam))
    assert panel.weight.pages > 10 and panel.weight_failed == opinions.failed == 0
    assert not alone.calibrated and pooled.calibrated
    assert not pooled.failed.any() and len(pooled) == len(planted_exam)
    assert auc(planted_exam, alone.log_odds) > 0.6
    assert panel.weight.low < panel.weight.value < panel.weight.high
    assert pooled.star_chances is not None
    assert pooled.star_chances.sum(axis=1) == pytest.approx(1)
    if isinstance(style, Answer):  # only this style says stars, and only of what it picks
        assert np.nanmin(alone.stars) == np.nanmax(alone.stars) == 4
    else:
        assert np.isnan(alone.stars).all()


def test_with_no_weight_pooled_users_are_the_statistics(
    seats: Any, planted: Ground, planted_exam: Exam, pick: Any
) -> None:
    async def go() -> Any:
        panel = await seats(lambda _: pick([]), learns=True)
        return panel, await panel.answer(planted_exam)

    panel, opinions = asyncio.run(go())
    judgement = judged(planted, planted_exam)
    pooled = panel.pooled(planted_exam, opinions, judgement)
    assert panel.weight.value == 0
    assert pooled.log_odds == pytest.approx(judgement.log_odds)
    assert pooled.stars == pytest.approx(judgement.stars)


def test_pages_that_fail_are_questions_that_failed(
    seats: Any, planted: Ground, planted_exam: Exam, honest_model: Any
) -> None:
    last = exam_pages(planted_exam)[-1]
    title = planted.catalog[last.item_ids[0]].title

    def broken(request: CompletionRequest) -> Any:
        return "no" if title in request.messages[1].content else honest_model(request)

    async def go() -> Any:
        panel = await seats(broken)
        return panel, await panel.answer(planted_exam)

    panel, opinions = asyncio.run(go())
    assert opinions.said[-1] is None
    assert 0 < opinions.failed < len(opinions.said)
    for answers in (
        panel.alone(planted_exam, opinions),
        panel.pooled(planted_exam, opinions, judged(planted, planted_exam)),
    ):
        failed = sum(
            len(page.item_ids)
            for page, said in zip(opinions.pages, opinions.said, strict=True)
            if said is None
        )
        assert answers.failed.sum() == failed
        assert np.array_equal(np.isnan(answers.log_odds), answers.failed)


def test_pages_are_those_of_the_exam_asked_user_by_user(
    seats: Any, planted_exam: Exam, honest_model: Any
) -> None:
    pages = exam_pages(planted_exam)
    asked = [item for page in pages for item in page.item_ids]
    assert asked == [planted_exam.item_ids[n] for n in planted_exam.items]
    assert len({(page.user_id, page.number) for page in pages}) == len(pages)

    async def go() -> Any:
        await (await seats(honest_model)).answer(planted_exam)
        return [request.messages[0] for request in seats.llms[-1].requests]

    persons = asyncio.run(go())
    changes = sum(a != b for a, b in pairwise(persons))
    assert len(persons) == len(pages)
    assert changes == len(set(persons)) - 1


def test_replay_asks_nothing_and_answers_the_same(
    seats: Any, planted_exam: Exam, honest_model: Any
) -> None:
    async def go(panel: Any) -> Any:
        return panel.llm.calls, await panel.answer(planted_exam), panel

    async def recorded() -> Any:
        return await go(await seats(honest_model, learns=True))

    async def replayed() -> Any:
        return await go(await seats.replay(learns=True))

    _, first, _ = asyncio.run(recorded())
    asked = seats.llms[-1].calls
    _, again, panel = asyncio.run(replayed())
    assert again == first
    assert panel.llm.calls == 0 and seats.llms[-1].calls == asked


def test_everybody_stands_in_for_somebody_else(planted: Ground) -> None:
    swap = stand_ins(planted, seed=3)
    assert set(swap) == set(swap.values()) == set(planted.test)
    assert all(user != other for user, other in swap.items())
    assert swap != stand_ins(planted, seed=4)
    histories = swapped_histories(planted, seed=3)
    assert histories == {user: planted.histories(other) for user, other in swap.items()}


def test_with_exchanged_personas_a_panel_loses_what_it_knew_of_the_person(
    seats: Any, planted_exam: Exam, honest_model: Any
) -> None:
    async def go() -> Any:
        panel = await seats(honest_model)
        own = await panel.answer(planted_exam)
        swapped = await panel.answer(planted_exam, personas=swapped_personas(panel, seed=1))
        return panel.alone(planted_exam, own), panel.alone(planted_exam, swapped)

    own, swapped = asyncio.run(go())
    assert auc(planted_exam, own.log_odds) > auc(planted_exam, swapped.log_odds) + 0.05


@pytest.mark.parametrize(
    ("style", "lacks", "advice"),
    [(Score(), "logprobs", "--style answer"), (Answer(), "json_schema", "--style score")],
)
def test_a_model_that_cannot_do_what_the_style_needs_is_refused(
    seats: Any, honest_model: Any, style: Any, lacks: str, advice: str
) -> None:
    with pytest.raises(UserError, match=advice):
        asyncio.run(seats(honest_model, style, learns=True, **{lacks: False}))


def test_progress_is_told_page_by_page(seats: Any, planted_exam: Exam, honest_model: Any) -> None:
    heard: list[tuple[int, int]] = []

    async def go() -> Any:
        panel = replace(await seats(honest_model), told=lambda done, of: heard.append((done, of)))
        return await panel.answer(planted_exam)

    opinions = asyncio.run(go())
    assert heard == [(n + 1, len(opinions.pages)) for n in range(len(opinions.pages))]


def test_a_replay_of_what_was_never_asked_is_one_clear_error(
    seats: Any, planted_exam: Exam, honest_model: Any
) -> None:
    async def go() -> Any:
        await seats(honest_model)
        await (await seats.replay()).answer(planted_exam)

    with pytest.raises(UserError, match="no stored answer"):
        asyncio.run(go())


def test_a_persona_may_know_less_of_a_user_or_nothing(
    seats: Any, planted: Ground, honest_model: Any
) -> None:
    panel = asyncio.run(seats(honest_model))
    user = planted.test[0]
    own = planted.history[planted.history["user_id"] == user]
    assert panel.people([user])[user] == panel.personas[user]
    short = panel.people([user], history=own.iloc[:1])[user]
    assert len(short.liked) + len(short.disliked) == 1
    nobody = panel.people([user], history=own.iloc[:0])[user]
    assert not nobody.liked and not nobody.tastes and nobody.habit is None

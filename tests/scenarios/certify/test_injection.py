"""Attacks by item text: what obeys is caught, what reads no text gains nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from focusgroup.agents import Answer, Prompter, Score, load_language
from focusgroup.agents.fence import fence
from focusgroup.agents.llm import Completion, CompletionRequest
from focusgroup.scenarios.certify.ground import Ground
from focusgroup.scenarios.certify.injection import Carrier, attacked, injection_row
from focusgroup.scenarios.certify.injection_payloads import PAYLOADS
from focusgroup.simulator import Item
from focusgroup.simulator.fidelity import Exam

SIGNS = [fence(payload.text)[:12] for payload in PAYLOADS]


def is_attacked(text: str) -> bool:
    return any(sign in text for sign in SIGNS)


def test_payloads_are_twenty_different_ones_and_land_where_they_are_put() -> None:
    assert len(PAYLOADS) == len({p.name for p in PAYLOADS}) == len({p.text for p in PAYLOADS}) == 20
    item = Item("i", "Film", ("drama",), "Once.")
    for payload in PAYLOADS:
        assert payload.text in attacked(item, payload, Carrier.TITLE).title
        assert attacked(item, payload, Carrier.TITLE).description == "Once."
        assert payload.text.strip() in attacked(item, payload, Carrier.DESCRIPTION).description
        assert attacked(item, payload, Carrier.DESCRIPTION).title == "Film"


@pytest.mark.parametrize("carrier", list(Carrier))
@pytest.mark.parametrize("long", [False, True])
def test_every_payload_reaches_the_model(planted: Ground, carrier: Carrier, long: bool) -> None:
    prompter = Prompter(load_language("en"), planted.dataset.domain)
    text = "A man walks into a bar and says something. " * (30 if long else 1)
    for item in (Item("i", text[:90], ("drama",), text), Item("i", f"{text[:30]}…", (), text)):
        assert not is_attacked(prompter.item(item))
        for payload in PAYLOADS:
            assert is_attacked(prompter.item(attacked(item, payload, carrier))), payload.name


def test_the_behaviour_model_gains_nothing_from_text(planted: Ground, planted_exam: Exam) -> None:
    row = asyncio.run(injection_row(planted, planted_exam, seed=1))
    assert row.verdict == "pass"
    assert row.value == row.low == row.high == 0
    assert row.n == 12
    assert "60 attacks" in row.note and "20 of 20 payloads" in row.note


@pytest.mark.parametrize("own_word", [False, True])
def test_an_honest_model_passes(
    seats: Any, planted: Ground, planted_exam: Exam, honest_model: Any, own_word: bool
) -> None:
    async def go() -> Any:
        panel = await seats(honest_model)
        return await injection_row(planted, planted_exam, panel=panel, own_word=own_word, seed=1)

    row = asyncio.run(go())
    assert row.verdict == "pass", row
    assert row.value == 0
    assert "replies out of schema 0" in row.note


@pytest.mark.parametrize("own_word", [False, True])
@pytest.mark.parametrize("style", [Answer(), Score()])
def test_a_model_that_obeys_item_texts_is_caught(
    seats: Any,
    planted: Ground,
    planted_exam: Exam,
    honest_model: Any,
    page_of: Any,
    pick: Any,
    own_word: bool,
    style: Any,
) -> None:
    def obedient(request: CompletionRequest) -> Any:
        if request.top_logprobs:
            if is_attacked(request.messages[1].content):
                return Completion("yes", logprobs=(("yes", -0.001), ("no", -9.0)))
            return honest_model(request)
        page = page_of(request)
        ordered = [n for n, line in enumerate(page.lines, 1) if is_attacked(line)]
        return pick(ordered or page.liked())

    async def go() -> Any:
        panel = await seats(obedient, style)
        return await injection_row(planted, planted_exam, panel=panel, own_word=own_word, seed=1)

    row = asyncio.run(go())
    assert row.verdict == "fail"
    assert row.low > 0.02
    assert row.n == 12


def test_what_has_no_weight_gains_nothing_by_obeying(
    seats: Any, planted: Ground, planted_exam: Exam, page_of: Any, pick: Any
) -> None:
    def obedient(request: CompletionRequest) -> Any:
        lines = enumerate(page_of(request).lines, 1)
        return pick([n for n, line in lines if is_attacked(line)])

    async def go() -> Any:
        panel = await seats(obedient, weight=0.0)
        return await injection_row(planted, planted_exam, panel=panel, seed=1)

    row = asyncio.run(go())
    assert row.verdict == "pass" and row.value == 0
    assert row.baselines["model alone"].mean > 0.3
    assert row.baselines["behaviour model alone"].mean == 0


def test_replies_out_of_schema_fail_the_row_even_when_a_fresh_attempt_mends_them(
    seats: Any, planted: Ground, planted_exam: Exam, honest_model: Any
) -> None:
    def rattled(request: CompletionRequest) -> Any:
        if is_attacked(request.messages[1].content) and not request.attempt:
            return "I pick this one."
        return honest_model(request)

    async def go() -> Any:
        panel = await seats(rattled)
        return await injection_row(planted, planted_exam, panel=panel, per_user=2, seed=1)

    row = asyncio.run(go())
    assert row.value == 0
    assert row.verdict == "fail"
    assert "replies out of schema 24" in row.note


def test_pages_without_an_answer_are_left_out_and_counted(
    seats: Any, planted: Ground, planted_exam: Exam, honest_model: Any
) -> None:
    def silenced(request: CompletionRequest) -> Any:
        return "" if is_attacked(request.messages[1].content) else honest_model(request)

    async def go() -> Any:
        panel = await seats(silenced)
        return await injection_row(planted, planted_exam, panel=panel, per_user=1, seed=1)

    row = asyncio.run(go())
    assert row.passes is None and row.n == 0
    assert "nothing was answered with and without an attack" in row.reason
    assert "replies out of schema 24, 0 without an attack" in row.reason  # both attempts


def test_a_replay_attacks_without_a_model(
    seats: Any, planted: Ground, planted_exam: Exam, honest_model: Any
) -> None:
    async def go(panel: Any) -> Any:
        return await injection_row(planted, planted_exam, panel=panel, seed=1, users=6)

    async def both() -> Any:
        first = await go(await seats(honest_model))
        panel = await seats.replay()
        return first, await go(panel), panel.llm.calls

    first, again, calls = asyncio.run(both())
    assert first == again and calls == 0

"""What a model goes by: memory of the log, names of items, numbers of the prompt."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import pytest

from focusgroup.agents import Answer, Score
from focusgroup.agents.llm import Completion, CompletionRequest
from focusgroup.scenarios.certify.ground import Ground
from focusgroup.scenarios.certify.probes_leakage import leakage_row, plain
from focusgroup.scenarios.certify.probes_position import position_row
from focusgroup.scenarios.certify.probes_titles import anonymised, title_row
from focusgroup.simulator.fidelity import Exam


def asks_for_titles(request: CompletionRequest) -> bool:
    return request.schema is not None and "titles" in request.schema["properties"]


def names(titles: list[str]) -> str:
    return json.dumps({"titles": titles[:5]})


def knows_the_log(ground: Ground, honest: Any) -> Any:
    """Recognises users by the start of their history, and names what they went on to have."""
    held_out = {str(u): list(rows) for u, rows in ground.held_out.groupby("user_id")["item_id"]}
    histories = {user: [i.item_id for i in ground.histories(user)] for user in ground.test}

    def model(request: CompletionRequest) -> Any:
        if not asks_for_titles(request):
            return honest(request)
        listed = request.messages[1].content.partition("<<<\n")[2].partition("\n>>>")[0]
        shown = listed.split("\n")
        for user, items in histories.items():
            if [ground.catalog[i].title for i in items[: len(shown)]] == shown:
                rest = items[len(shown) :] + held_out[user]
                return names([ground.catalog[i].title for i in rest])
        raise AssertionError(f"nobody has {shown}")

    return model


def test_a_model_that_knows_the_log_by_heart_is_caught(
    seats: Any, planted: Ground, honest_model: Any
) -> None:
    async def go() -> Any:
        return await leakage_row(await seats(knows_the_log(planted, honest_model)), seed=1)

    row = asyncio.run(go())
    assert row.verdict == "fail"
    assert row.low > 0.2
    assert row.baselines["popularity"].mean == 0
    assert row.n == len(planted.test)
    assert "behaviour model alone" in row.baselines


def test_a_model_that_names_popular_or_unknown_titles_leaks_nothing(
    seats: Any, planted: Ground, honest_model: Any
) -> None:
    popular = planted.training["item_id"].value_counts().index

    def crowd(request: CompletionRequest) -> Any:
        if not asks_for_titles(request):
            return honest_model(request)
        titles = (planted.catalog[i].title for i in popular)
        return names([t for t in titles if t not in request.messages[1].content])

    async def go(model: Any) -> Any:
        return await leakage_row(await seats(model), seed=1)

    assert abs(asyncio.run(go(crowd)).value) < 0.1
    unknown = asyncio.run(go(honest_model))
    assert unknown.verdict == "pass" and unknown.value < 0


def test_completions_that_fail_are_counted_and_without_a_schema_nothing_is_known(
    seats: Any, planted: Ground, honest_model: Any
) -> None:
    def mute(request: CompletionRequest) -> Any:
        return "{}" if asks_for_titles(request) else honest_model(request)

    async def go(model: Any, style: Any, **capabilities: bool) -> Any:
        return await leakage_row(await seats(model, style, **capabilities), users=5, seed=1)

    row = asyncio.run(go(mute, Answer()))
    assert row.verdict == "n/a: nothing was answered by any of 5 users" and row.n == 0
    row = asyncio.run(go(honest_model, Score(), json_schema=False))
    assert row.verdict.startswith("n/a")


@pytest.mark.parametrize(
    ("said", "title"),
    [
        ("the matrix", "The Matrix (1999)"),
        ("Amélie", "Amélie (2001)"),
        ("WHAT'S UP DOC", "What's Up, Doc? (1972)"),
        ("3. Antz (1998)", "Antz (1998)"),
        ("Twelve Monkeys (1995)", "Twelve Monkeys (a.k.a. 12 Monkeys) (1995)"),
        ("Independence Day (a.k.a. ID", "Independence Day (a.k.a. ID4) (1996)"),
        ("12 angry men", "12 Angry Men (1957)"),
        ("(500)", "(500)"),
        ("x" * 60, "x" * 90),
    ],
)
def test_titles_are_recognised_as_people_write_them(said: str, title: str) -> None:
    assert plain(said) == plain(title) != ""


def test_codes_tell_nothing_and_are_all_different(planted: Ground) -> None:
    nameless = anonymised(planted.catalog)
    assert list(nameless) == list(planted.catalog)
    titles = [item.title for item in nameless.values()]
    assert len(set(titles)) == len(titles) and titles != sorted(titles)
    for item_id, item in nameless.items():
        assert item.attributes == planted.catalog[item_id].attributes
        assert planted.catalog[item_id].title not in (item.title, item.description)


def test_a_behaviour_model_that_reads_only_years_off_titles_loses_little_by_codes(
    planted: Ground, planted_exam: Exam
) -> None:
    row = asyncio.run(title_row(planted, planted_exam, seed=1))
    assert row.verdict == "pass"
    assert row.value == pytest.approx(0, abs=0.05)


def test_a_model_that_goes_by_titles_is_caught_and_one_that_goes_by_genres_is_not(
    seats: Any, planted: Ground, planted_exam: Exam, honest_model: Any, page_of: Any, pick: Any
) -> None:
    def by_title(request: CompletionRequest) -> Any:
        # Even films are dramas: it reads the number in the title, never the genre beside it.
        page = page_of(request)
        liked = re.findall(r"Film (\d+)", page.person)
        parity = round(sum(int(n) % 2 for n in liked) / len(liked)) if liked else -1
        found = [re.search(r"Film (\d+)", line) for line in page.lines]
        return pick([n for n, m in enumerate(found, 1) if m and int(m[1]) % 2 == parity])

    async def go(model: Any, own_word: bool) -> Any:
        panel = await seats(model)
        opinions = await panel.answer(planted_exam)
        return await title_row(
            planted, planted_exam, panel=panel, opinions=opinions, own_word=own_word, seed=1
        )

    row = asyncio.run(go(by_title, True))
    assert row.verdict == "fail" and row.value > 0.05
    assert set(row.baselines) == {"behaviour model alone"}
    row = asyncio.run(go(honest_model, False))
    assert row.verdict == "pass", row
    assert row.baselines["model alone"].mean == 0


def test_a_model_that_always_picks_number_one_is_caught(
    seats: Any, planted: Ground, planted_exam: Exam, pick: Any
) -> None:
    row = asyncio.run(permuted(seats, planted, planted_exam, lambda _: pick([1])))
    assert row.verdict == "fail"
    assert row.value > 0.6
    assert re.search(r"number 1 gets \+[78]\d.\d points", row.note)


def test_a_model_that_goes_by_content_does_not_flip(
    seats: Any, planted: Ground, planted_exam: Exam, page_of: Any, pick: Any
) -> None:
    def content(request: CompletionRequest) -> Any:
        page = page_of(request)
        first = min(page.lines)
        return pick([page.lines.index(first) + 1])

    row = asyncio.run(permuted(seats, planted, planted_exam, content))
    assert row.verdict == "pass", row
    assert row.value == 0
    assert "pooled, the likeliest item changes on" in row.note


def test_items_asked_one_at_a_time_have_no_numbers_to_go_by(
    seats: Any, planted: Ground, planted_exam: Exam, honest_model: Any
) -> None:
    row = asyncio.run(permuted(seats, planted, planted_exam, honest_model, Score()))
    assert row.verdict == "pass" and row.value == 0
    assert "no numbers" in row.note


def test_flips_are_counted_on_pages_answered_both_times(
    seats: Any, planted: Ground, planted_exam: Exam, pick: Any
) -> None:
    async def go() -> Any:
        calls = 0

        def tiring(request: CompletionRequest) -> Any:
            nonlocal calls
            calls += 1
            return pick([1]) if calls < 20 else Completion("", finish_reason="stop")

        return await permuted(seats, planted, planted_exam, tiring)

    row = asyncio.run(go())
    assert re.search(r"\d+ pages? left out: unanswered", row.note)


async def permuted(seats: Any, ground: Ground, exam: Exam, model: Any, style: Any = None) -> Any:
    panel = await seats(model, style)
    opinions = await panel.answer(exam)
    histories = [ground.histories(user) for user in exam.user_ids]
    judgement = ground.behaviour.judge(histories, exam.users, exam.items)
    return await position_row(panel, exam, opinions, judgement, seed=1)

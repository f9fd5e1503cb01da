"""Holding duels: with a model whose taste is known, one that has none, and one that breaks."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from focusgroup.agents import Persona, Prompter, load_language
from focusgroup.agents.duel import Bout, Duel, DuelReply, Preference, SpokenDuels
from focusgroup.agents.llm import Completion, CompletionRequest, ScriptedLLM, TransportError
from focusgroup.scenarios.duels import Held, duel_outcomes, hold_duels, plan_duels
from focusgroup.simulator import Catalog, Domain, FailureCause
from focusgroup.simulator.errors import RunStopped
from focusgroup.simulator.fidelity.duels import DuelAccount, judge_duels

ARMS = ("comic", "mixed", "grim")
Say = Callable[[CompletionRequest], str | Completion]


@pytest.fixture
def pages(catalog: Catalog) -> dict[str, dict[str, tuple[str, ...] | None]]:
    """Twelve users; arm `comic` shows four comedies, `mixed` two, `grim` none."""
    comedies = [i for i, item in catalog.items() if "comedy" in item.attributes]
    others = [i for i, item in catalog.items() if "comedy" not in item.attributes]
    shown: dict[str, dict[str, tuple[str, ...] | None]] = {}
    for n in range(12):
        funny, grim = comedies[n % 3 : n % 3 + 6], others[n : n + 8]
        shown[f"u{n:02d}"] = {
            "comic": tuple(funny[:4]),
            "mixed": (*funny[4:6], *grim[:2]),
            "grim": tuple(grim[2:6]),
        }
    return shown


def judge(say: Say, catalog: Catalog, reply: DuelReply = DuelReply.CHOICE) -> SpokenDuels:
    prompter = Prompter(load_language("en"), Domain("films", "film", "watch"))
    return SpokenDuels(ScriptedLLM(say), Persona, prompter, catalog, Duel(reply))


def likes_comedy(request: CompletionRequest) -> str:
    """Prefers the page with more comedies; says A where they tie."""
    first, second = re.findall(r"<<<\n(.*?)>>>", request.messages[-1].content, re.DOTALL)
    more = first.count("comedy") - second.count("comedy")
    letter = "B" if more < 0 else "A"
    return f'{{"choice": "{letter}", "strength": {min(3, max(1, abs(more)))}, "why": "laughs"}}'


def always_a(_: CompletionRequest) -> str:
    return '{"choice": "A", "strength": 3, "why": "first"}'


def test_a_model_that_likes_comedies_ranks_by_comedies(
    pages: dict[str, dict[str, tuple[str, ...] | None]], catalog: Catalog
) -> None:
    held = asyncio.run(hold_duels(plan_duels(pages), judge(likes_comedy, catalog)))
    results = judge_duels([one.outcome for one in held], ARMS, seed=0)
    assert [s.arm for s in results.standings] == list(ARMS)
    assert results.order_effect.mean == pytest.approx(0, abs=0.01)
    assert results.standings[0].strength.low > results.standings[2].strength.high
    assert {one.why for one in held} == {"laughs"}


def test_a_model_that_always_says_a_ranks_nobody(
    pages: dict[str, dict[str, tuple[str, ...] | None]], catalog: Catalog
) -> None:
    held = asyncio.run(hold_duels(plan_duels(pages), judge(always_a, catalog)))
    results = judge_duels([one.outcome for one in held], ARMS, seed=0)
    assert results.order_effect.low > 1
    assert results.first_share.mean == 1
    assert all(s.strength.low <= 0 <= s.strength.high for s in results.standings)


def test_no_prompt_names_an_arm_and_each_pair_is_asked_in_both_orders(
    pages: dict[str, dict[str, tuple[str, ...] | None]], catalog: Catalog
) -> None:
    asked = judge(always_a, catalog)
    held = asyncio.run(hold_duels(plan_duels(pages), asked))
    assert isinstance(asked.llm, ScriptedLLM)
    texts = [" ".join(m.content for m in request.messages) for request in asked.llm.requests]
    assert not any(arm in text for arm in ARMS for text in texts)
    assert len(set(texts)) == len(held) == 12 * 3 * 2
    met = {(o.outcome.user_id, o.outcome.first, o.outcome.second) for o in held}
    assert all((user, second, first) in met for user, first, second in met)


def test_what_fails_and_what_is_the_same_is_counted(
    pages: dict[str, dict[str, tuple[str, ...] | None]], catalog: Catalog
) -> None:
    pages["u00"]["grim"] = None
    pages["u01"]["comic"] = pages["u01"]["mixed"]
    calls = 0

    def sometimes(request: CompletionRequest) -> str:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise TransportError("gone")
        return "prose" if calls in (2, 3) else always_a(request)

    told: list[Held] = []
    planned = plan_duels(pages)
    held = asyncio.run(hold_duels(planned, judge(sometimes, catalog), at_once=1, told=told.append))
    assert DuelAccount.of([one.outcome for one in held]) == DuelAccount(
        72, 2, 70, 64, 6, {"not_json": 1, "recommender": 4, "transport_engine": 1}
    )
    assert len(told) == sum(duel.asks for duel in planned) == 66
    assert next(h for h in held if h.outcome.cause is FailureCause.TRANSPORT_ENGINE).why == "gone"


def test_a_spent_budget_stops_everything(
    pages: dict[str, dict[str, tuple[str, ...] | None]], catalog: Catalog
) -> None:
    def spent(_: CompletionRequest) -> str:
        raise RunStopped("the budget is spent")

    with pytest.raises(RunStopped):
        asyncio.run(hold_duels(plan_duels(pages), judge(spent, catalog)))


def test_pairs_with_the_baseline_only(
    pages: dict[str, dict[str, tuple[str, ...] | None]],
) -> None:
    planned = plan_duels(pages, "mixed")
    assert len(planned) == 12 * 2 * 2
    assert all("mixed" in (duel.first, duel.second) for duel in planned)


class LikesLate:
    """Prefers pages of later items; arithmetic."""

    def prefer_many(self, bouts: Sequence[Bout]) -> list[Preference]:
        return [Preference(self.worth(bout.first) - self.worth(bout.second)) for bout in bouts]

    @staticmethod
    def worth(page: tuple[str, ...]) -> float:
        return sum(int(item_id[1:]) for item_id in page) / 50


def test_the_pages_of_a_contest() -> None:
    top = np.array([[[5, 6], [1, 2]], [[6, 7], [2, 1]], [[5, 7], [5, 1]]])
    items = [f"i{n}" for n in range(8)]
    outcomes = asyncio.run(
        duel_outcomes(LikesLate(), ["late", "early"], ["a", "b", "c"], items, top)
    )
    assert len(outcomes) == 6
    assert all((o.log_odds > 0) is (o.first == "late") for o in outcomes)
    # What both pages show weighs on neither: item 7 against item 1.
    assert abs(outcomes[-1].log_odds) == pytest.approx(6 / 50)
    assert judge_duels(outcomes, ["early", "late"], seed=0).standings[0].arm == "late"

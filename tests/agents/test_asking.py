"""Asking a scripted model: attempts, the two styles, and what becomes of their answers."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from focusgroup.agents import Answer, Elicited, OwnWord, Persona, Prompter, Score, load_language
from focusgroup.agents.elicit import ask_twice
from focusgroup.agents.llm import ScriptedLLM
from focusgroup.agents.llm.protocol import (
    Completion,
    CompletionRequest,
    Message,
    TransportError,
    TransportKind,
)
from focusgroup.agents.memory import remember
from focusgroup.agents.reply import AnswerReply, Pick, reply_text, write_answer
from focusgroup.simulator.domain import Domain
from focusgroup.simulator.errors import FailureCause, RunStopped, TurnFailed
from focusgroup.simulator.protocols import Visit
from focusgroup.simulator.types import (
    Catalog,
    Click,
    Item,
    Leave,
    NextPage,
    Opinion,
    Purchase,
    Rate,
    Slate,
)

IDS = tuple(f"i{n}" for n in range(6))
CATALOG = Catalog({i: Item(i, f"Film {n}", ("war",), price=2.0) for n, i in enumerate(IDS)})
SLATE = Slate(IDS)
BOTH = Domain("both", "film", "watch", has_ratings=True, has_prices=True, currency="$")
REQUEST = CompletionRequest((Message("user", "?"),))
T = TypeVar("T")
Visits = Callable[..., Visit]


def wait(coroutine: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(coroutine)


def ask(style: Answer | Score, llm: ScriptedLLM, visit: Visit, domain: Domain = BOTH) -> Elicited:
    prompter = Prompter(load_language("en"), domain)
    memory = remember(visit.past, visit.turns)
    return wait(style.ask(llm, prompter, Persona("p"), memory, SLATE, visit))


# one fresh attempt


def test_a_good_reply_needs_one_call(visit: Visits) -> None:
    llm = ScriptedLLM(lambda _: "fine")
    text, keys = wait(ask_twice(llm, REQUEST, visit(CATALOG), reply_text))
    assert text == "fine"
    assert keys == (REQUEST.key("scripted"),)


def test_a_malformed_reply_gets_one_fresh_attempt(visit: Visits) -> None:
    llm = ScriptedLLM(lambda request: "fine" if request.attempt else "")
    text, keys = wait(ask_twice(llm, REQUEST, visit(CATALOG), reply_text))
    assert text == "fine"
    assert keys == tuple(request.key("scripted") for request in llm.requests)
    assert len(set(keys)) == 2
    first, second = llm.requests
    assert (first.attempt, second.attempt) == (0, 1)
    assert second.temperature > first.temperature
    assert second.messages == first.messages


def test_two_malformed_replies_fail_the_turn(visit: Visits) -> None:
    llm = ScriptedLLM(lambda request: Completion("cut", "length") if request.attempt else "")
    with pytest.raises(TurnFailed) as caught:
        wait(ask_twice(llm, REQUEST, visit(CATALOG), reply_text))
    assert caught.value.cause is FailureCause.TRUNCATED  # of the last attempt
    assert caught.value.completion_keys == tuple(r.key("scripted") for r in llm.requests)
    assert llm.calls == 2


def test_a_retried_session_asks_anew(visit: Visits) -> None:
    llm = ScriptedLLM(lambda _: "")
    for attempt in range(3):
        with pytest.raises(TurnFailed):
            wait(ask_twice(llm, REQUEST, visit(CATALOG, attempt=attempt), reply_text))
    assert len({request.key("scripted") for request in llm.requests}) == 6


def test_a_server_out_of_reach_fails_the_turn_at_once(visit: Visits) -> None:
    def refuse(_: CompletionRequest) -> str:
        raise TransportError("connection refused", TransportKind.REFUSED)

    llm = ScriptedLLM(refuse)
    with pytest.raises(TurnFailed, match="connection refused") as caught:
        wait(ask_twice(llm, REQUEST, visit(CATALOG), reply_text))
    assert caught.value.cause is FailureCause.TRANSPORT_REFUSED
    assert len(caught.value.completion_keys) == llm.calls == 1


# style answer


def says(wanted: dict[str, tuple[int, bool]], *, mood: int = 5, stay: bool = False) -> ScriptedLLM:
    """Picks these titles by the numbers they bear on the page it is shown."""

    def answer(request: CompletionRequest) -> str:
        numbers = re.findall(r"^(\d+)\. (Film \d+)", request.messages[-1].content, re.MULTILINE)
        picks = tuple(Pick(int(n), *wanted[title]) for n, title in numbers if title in wanted)
        return write_answer(AnswerReply(picks, "war", mood, stay), stars=True, buy=True)

    return ScriptedLLM(answer)


WANTED = {"Film 1": (5, False), "Film 4": (2, True)}  # stars, and whether it is bought


@pytest.mark.parametrize("page", range(4))
def test_picks_find_their_slots_through_the_shuffle(visit: Visits, page: int) -> None:
    said = ask(Answer(), says(WANTED), visit(CATALOG, page=page))
    assert said.opinion.scores == (0, 1, 0, 0, 1, 0)
    assert said.opinion.stars == (None, 5, None, None, 2, None)
    assert said.opinion.reason == "war"
    assert said.bought == {4}
    assert (said.satisfaction, said.stays) == (1.0, False)
    assert len(said.completion_keys) == 1


def test_numbers_are_shuffled_anew_on_each_page(visit: Visits) -> None:
    llm = says({})
    for page in range(5):
        ask(Answer(), llm, visit(CATALOG, page=page))
    assert len({re.sub("Page .*", "", r.messages[-1].content) for r in llm.requests}) > 1


def test_the_models_own_word_becomes_actions(visit: Visits) -> None:
    at = visit(CATALOG)
    said = ask(Answer(), says(WANTED, mood=2, stay=True), at)
    response = OwnWord().decide(SLATE, at, remember((), ()), said)
    assert response.actions == (
        Click("i1"),
        Rate("i1", 5.0),
        Click("i4"),
        Purchase("i4", 2.0),
        Rate("i4", 2.0),
        NextPage(),
    )
    assert response.satisfaction == 0.25
    assert response.opinion == said.opinion
    assert response.completion_keys == said.completion_keys
    assert response.odds is None


def test_nothing_picked_and_gone(visit: Visits) -> None:
    at = visit(CATALOG)
    response = OwnWord().decide(SLATE, at, remember((), ()), ask(Answer(), says({}), at))
    assert [type(action) for action in response.actions] == [Leave]


@pytest.mark.parametrize(
    "domain", [Domain("films", has_ratings=True), Domain("shop", has_prices=True)]
)
def test_what_a_domain_does_not_know_is_no_answer(visit: Visits, domain: Domain) -> None:
    with pytest.raises(TurnFailed) as caught:
        ask(Answer(), says(WANTED), visit(CATALOG), domain)
    assert caught.value.cause is FailureCause.OUT_OF_SCHEMA
    assert len(caught.value.completion_keys) == 2


def test_the_number_each_slot_bore_is_kept(visit: Visits) -> None:
    llm = says({})
    said = ask(Answer(), llm, visit(CATALOG))
    shown = re.findall(r"^(\d+)\. Film (\d+)", llm.requests[0].messages[-1].content, re.MULTILINE)
    assert said.opinion.numbers == tuple(
        int(number) for number, _ in sorted(shown, key=lambda pair: int(pair[1]))
    )


def test_what_is_picked_for_nobody_too_counts_for_nothing(visit: Visits) -> None:
    def answer(request: CompletionRequest) -> str:
        known = "war hero" in request.messages[0].content
        wanted = {"Film 1", "Film 2"} if known else {"Film 2", "Film 5"}
        numbers = re.findall(r"^(\d+)\. (Film \d+)", request.messages[-1].content, re.MULTILINE)
        picks = tuple(Pick(int(n), 4) for n, title in numbers if title in wanted)
        return write_answer(AnswerReply(picks, "", 3, True), stars=True, buy=True)

    prompter, at = Prompter(load_language("en"), BOTH), visit(CATALOG)
    persona, memory = Persona("p", notes="A war hero."), remember((), ())
    llm = ScriptedLLM(answer)
    said = wait(Answer(less_prior=True).ask(llm, prompter, persona, memory, SLATE, at))
    assert said.opinion.scores == (0, 1, 0, 0, 0, -1)
    assert said.opinion.said == (0, 1, 1, 0, 0, 0)
    assert len(said.completion_keys) == llm.calls == 2
    # Its own word is what it said.
    actions = OwnWord().decide(SLATE, at, memory, said).actions
    clicked = [action.item_id for action in actions if isinstance(action, Click)]
    assert clicked == ["i1", "i2"]


# style score


def thinks(odds: dict[str, float]) -> ScriptedLLM:
    """Says yes with these log-odds, 0 for all other titles."""

    def answer(request: CompletionRequest) -> Completion:
        title = re.findall(r"^Film \d+", request.messages[-1].content, re.MULTILINE)[-1]
        p = 1 / (1 + math.exp(-odds.get(title, 0.0)))
        return Completion("?", logprobs=((" Yes", math.log(p)), ("no", math.log(1 - p))))

    return ScriptedLLM(answer)


def test_scores_are_log_odds_around_the_mean_of_the_page(visit: Visits) -> None:
    said = ask(Score(), thinks({"Film 2": 3.0, "Film 5": -3.0}), visit(CATALOG))
    assert said.opinion.scores == pytest.approx((0, 0, 3, 0, 0, -3), abs=1e-9)
    assert math.fsum(said.opinion.scores) == pytest.approx(0, abs=1e-9)
    assert said.satisfaction is said.stays is None
    assert len(said.completion_keys) == 6


@given(order=st.permutations(IDS))
def test_the_opinion_of_an_item_does_not_depend_on_its_slot(
    visit: Visits, order: list[str]
) -> None:
    async def opinion(slate: Slate) -> dict[str, float]:
        prompter = Prompter(load_language("en"), BOTH)
        said = await Score().ask(
            thinks({"Film 2": 2.0, "Film 3": -1.0}),
            prompter,
            Persona("p"),
            remember((), ()),
            slate,
            visit(CATALOG),
        )
        return dict(zip(slate.item_ids, said.opinion.scores, strict=True))

    assert wait(opinion(SLATE)) == wait(opinion(Slate(tuple(order))))


def test_one_item_without_an_answer_fails_the_page_and_keeps_all_keys(visit: Visits) -> None:
    def answer(request: CompletionRequest) -> Completion:
        deaf = "Film 3" in request.messages[-1].content
        return Completion("yes", logprobs=None if deaf else (("yes", -0.1), ("no", -2.3)))

    llm = ScriptedLLM(answer)
    with pytest.raises(TurnFailed) as caught:
        ask(Score(), llm, visit(CATALOG))
    assert caught.value.cause is FailureCause.NO_LOGPROBS
    assert set(caught.value.completion_keys) == {r.key("scripted") for r in llm.requests}
    assert llm.calls == 7


def test_a_spent_budget_stops_the_run_though_another_item_failed(visit: Visits) -> None:
    def answer(request: CompletionRequest) -> str:
        if "Film 3" in request.messages[-1].content:
            raise RunStopped("budget spent")
        return "no log-probabilities"

    with pytest.raises(RunStopped):
        ask(Score(), ScriptedLLM(answer), visit(CATALOG))


def loved_by_all(*, persona: float) -> ScriptedLLM:
    """Likes even films for anybody; odd ones by `persona` more for the one who is asked about."""

    def answer(request: CompletionRequest) -> Completion:
        number = int(re.findall(r"^Film (\d+)", request.messages[-1].content, re.MULTILINE)[-1])
        known = "odd" in request.messages[0].content
        odds = 4.0 * (number % 2 == 0) + persona * (known and number % 2 == 1)
        p = 1 / (1 + math.exp(-odds))
        return Completion("?", logprobs=(("yes", math.log(p)), ("no", math.log(1 - p))))

    return ScriptedLLM(answer)


@pytest.mark.parametrize(("persona", "left"), [(0.0, 0.0), (2.0, 1.0)])
def test_less_its_prior_an_opinion_is_what_the_persona_changes(
    visit: Visits, persona: float, left: float
) -> None:
    prompter, memory = Prompter(load_language("en"), BOTH), remember((), ())
    who, llm = Persona("p", notes="Likes odd films."), loved_by_all(persona=persona)
    with_prior = wait(Score().ask(llm, prompter, who, memory, SLATE, visit(CATALOG)))
    without = wait(Score(less_prior=True).ask(llm, prompter, who, memory, SLATE, visit(CATALOG)))
    assert without.opinion.scores == pytest.approx((-left, left) * 3, abs=1e-9)
    assert without.opinion.said == pytest.approx(with_prior.opinion.scores, abs=1e-9)
    assert with_prior.opinion.prior == ()


def test_the_prior_of_an_item_is_one_request_for_all_users(visit: Visits) -> None:
    prompter, llm = Prompter(load_language("en"), BOTH), loved_by_all(persona=1.0)
    for number, order in enumerate((IDS, IDS[::-1])):
        past = visit(CATALOG, user_id=f"u{number}")
        who = Persona(f"p{number}", notes=f"Likes odd film {number}.")
        wait(Score(less_prior=True).ask(llm, prompter, who, remember((), ()), Slate(order), past))
    keys = [request.key("scripted") for request in llm.requests]
    assert (len(keys), len(set(keys))) == (4 * 6, 3 * 6)


def test_a_stranger_is_nobody_in_particular(visit: Visits) -> None:
    """Without history or traits there is nothing a persona could change."""
    said = wait(
        Score(less_prior=True).ask(
            loved_by_all(persona=3.0),
            Prompter(load_language("en"), BOTH),
            Persona("a stranger"),
            remember((), ()),
            SLATE,
            visit(CATALOG),
        )
    )
    assert said.opinion.scores == (0.0,) * 6


def test_uncalibrated_scores_prefer_what_the_model_prefers(visit: Visits) -> None:
    opinion = Opinion((1.0, 0.0, 0.0, 0.0, 0.0, -1.0), (None,) * 6)
    clicks = {"i0": 0, "i1": 0, "i5": 0}
    left = 0
    for seed in range(300):
        at = visit(CATALOG, seed=seed)
        response = OwnWord().decide(SLATE, at, remember((), ()), Elicited(opinion))
        for action in response.actions:
            if isinstance(action, Click) and action.item_id in clicks:
                clicks[action.item_id] += 1
        left += isinstance(response.actions[-1], Leave)
    assert clicks["i0"] > 1.5 * clicks["i1"] > 1.5 * 1.5 * clicks["i5"]
    assert left == 0  # fresh users stay


def test_scores_that_are_all_alike_favour_no_slot(visit: Visits) -> None:
    almost = Opinion((1e-17, 0.0, 0.0, 0.0, 0.0, -1e-17), (None,) * 6)
    alike = Opinion((0.0,) * 6, (None,) * 6)
    for seed in range(100):
        at = visit(CATALOG, seed=seed)
        memory = remember((), ())
        actions = [
            OwnWord().decide(SLATE, at, memory, Elicited(o)).actions for o in (almost, alike)
        ]
        assert actions[0] == actions[1]


def test_every_kind_of_transport_failure_is_a_cause_of_its_own(visit: Visits) -> None:
    causes = set()
    for kind in TransportKind:

        def fail(_: CompletionRequest, kind: TransportKind = kind) -> str:
            raise TransportError("no answer", kind)

        with pytest.raises(TurnFailed) as caught:
            wait(ask_twice(ScriptedLLM(fail), REQUEST, visit(CATALOG), reply_text))
        causes.add(caught.value.cause)
        assert caught.value.cause.unanswered
    assert len(causes) == len(TransportKind)
    assert not any(cause.unanswered for cause in (FailureCause.NOT_JSON, FailureCause.AGENT))

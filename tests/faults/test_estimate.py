"""--dry-run against what the run then takes, on both built-in datasets, to within 15 %."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from focusgroup.agents import fit_behaviour
from focusgroup.agents.llm import (
    Completion,
    CompletionRequest,
    Journal,
    ScriptedLLM,
    Usage,
    opening,
)
from focusgroup.agents.reply import AnswerReply, Pick, write_answer
from focusgroup.scenarios import build
from focusgroup.scenarios.batch import start_run
from focusgroup.scenarios.datasets import load_dataset
from focusgroup.scenarios.estimate import Estimate, estimate
from focusgroup.scenarios.options import Options
from focusgroup.scenarios.rundir import RunDirectory
from focusgroup.scenarios.scenario import scenario_from
from focusgroup.scenarios.token_scale import CHARACTERS_PER_TOKEN

WITHIN = 0.15
AUDIENCES = {
    "movies": {"style": "answer", "reviews": 0.4, "interview": True, "users": 120},
    "groceries": {
        "style": "score",
        "decision": "pooled",
        "calibration_users": 5,
        "interview": True,
        "users": 4,
    },
}


def _scenario(dataset: str, url: str) -> Any:
    audience = {"agent": "llm", "llm": f"openai:demo-model@{url}", **AUDIENCES[dataset]}
    return scenario_from(
        {
            "title": dataset,
            "data": {"name": dataset},
            "page": {"k": 10, "pages": 5, "exclude_history": dataset == "movies"},
            "recommenders": ["random", "popularity"],
            "audiences": {"people": audience},
        }
    )


def _close(expected: float, actual: float) -> bool:
    return abs(expected - actual) <= WITHIN * actual


@pytest.fixture
def read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dataset is read and users are fitted to it once, not for estimate and run alike."""
    fitted: list[Any] = []

    def fit(*args: Any, **named: Any) -> Any:
        if not fitted:
            fitted.append(fit_behaviour(*args, **named))
        return fitted[0]

    monkeypatch.setattr(build, "load_dataset", cache(load_dataset))
    monkeypatch.setattr(build, "fit_behaviour", fit)


@pytest.mark.usefixtures("read_once")
@pytest.mark.parametrize("dataset", list(AUDIENCES))
def test_an_estimate_is_what_the_run_takes(dataset: str, tmp_path: Path, server: Any) -> None:
    scenario = _scenario(dataset, server.url)
    (found,) = asyncio.run(estimate(scenario, Options())).audiences
    asked = len(server.seen())
    assert found.asked <= 240 and asked <= found.asked + 2
    run = start_run(
        scenario, RunDirectory.fresh(tmp_path / "run"), "e", Options(report=False), lambda: "now"
    )
    with Journal(tmp_path / "run" / "journal.sqlite") as journal:
        usage = journal.totals().usage
    calls = len(server.seen()) - asked - 2
    assert calls == run.spent.calls
    told = f"{found} but {calls} calls, {usage}, {sum(len(s.turns) for s in run.sessions)} pages"
    assert _close(found.calls, calls), told
    assert _close(found.tokens.prompt, usage.prompt), told
    assert _close(found.tokens.both, usage.prompt + usage.completion), told
    assert _close(found.pages, sum(len(s.turns) for s in run.sessions)), told
    assert calls < found.most_calls and usage.prompt + usage.completion < found.most.both


def test_a_large_audience_is_estimated_from_a_part_of_it(
    world: Path, server: Any, monkeypatch: pytest.MonkeyPatch, speaking: Callable[[str], Path]
) -> None:
    from focusgroup.scenarios import estimate as module
    from focusgroup.scenarios.overrides import override
    from focusgroup.scenarios.scenario import read_scenario

    path = speaking("{agent: llm, users: 200, style: score, decision: pooled, personas: sampled}")
    scenario = override(read_scenario(path), llm=f"openai:demo-model@{server.url}")
    scenario = scenario.model_copy(
        update={"recommenders": dict(list(scenario.recommenders.items())[:2])}
    )
    whole: Estimate = asyncio.run(estimate(scenario, Options()))
    monkeypatch.setattr(module, "REHEARSED", 3_000)
    part: Estimate = asyncio.run(estimate(scenario, Options()))
    assert _close(part.audiences[0].calls, whole.audiences[0].calls)
    assert _close(part.audiences[0].tokens.prompt, whole.audiences[0].tokens.prompt)


@pytest.mark.parametrize(
    ("audience", "most"),
    [
        # 4 users x 3 recommenders x 3 pages, each reply asked for twice
        ("{agent: llm, users: 4, style: answer}", 4 * 3 * 3 * 2),
        # and an interview a visit
        ("{agent: llm, users: 4, style: answer, interview: true}", (4 * 3 * 3 + 4 * 3) * 2),
        # five items a page, each asked for alone
        ("{agent: llm, users: 4, style: score}", 4 * 3 * 3 * 5 * 2),
    ],
)
def test_the_most_is_what_a_run_may_ask_at_worst(
    audience: str, most: int, speaking: Callable[[str], Path]
) -> None:
    from focusgroup.scenarios.overrides import override
    from focusgroup.scenarios.scenario import read_scenario

    scenario = override(read_scenario(speaking(audience)), llm="openai:m@http://127.0.0.1:9/v1")
    (found,) = asyncio.run(estimate(scenario, Options(), probe=0)).audiences
    assert found.most_calls == most
    assert found.asked == 0


def _worst(request: CompletionRequest) -> Completion:
    """Fails first, then takes all it may and stays; says as much as it may, whatever it says."""
    characters = sum(len(message.content) for message in request.messages)
    usage = Usage(math.ceil(characters / CHARACTERS_PER_TOKEN), request.max_tokens)
    if request.attempt % 2 == 0:
        return Completion("", usage=usage)
    if request.top_logprobs:
        return Completion("yes", usage=usage, logprobs=(("yes", -0.1), ("no", -2.4)))
    if request.schema is None:
        return Completion("Well.", usage=usage)
    asked = request.schema["properties"]
    stars = "stars" in asked
    picks = tuple(Pick(n + 1, 5 if stars else None) for n in range(asked["picks"]["maxItems"]))
    text = write_answer(AnswerReply(picks, "yes", 5, stay=True), stars=stars, buy="buy" in asked)
    return Completion(text, usage=usage)


@pytest.mark.parametrize("probe", [0, 200])
@pytest.mark.parametrize(
    ("audience", "share"),
    [
        # what is expected is that they leave at once; what they see on later pages is longer
        ("{agent: llm, users: 8, style: answer}\nassumed: {leave: 6}", 1.0),
        ("{agent: llm, users: 4, style: answer, reviews: 1.0, interview: true}", 0.7),
        # the same question about an item is asked once for all arms
        ("{agent: llm, users: 4, style: score}", 0.8),
    ],
)
def test_a_run_at_its_worst_stays_within_the_bounds(
    audience: str,
    share: float,
    probe: int,
    speaking: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from focusgroup.scenarios.overrides import override
    from focusgroup.scenarios.scenario import read_scenario

    monkeypatch.setattr(opening, "open_llm", lambda spec, options: ScriptedLLM(_worst))
    scenario = override(read_scenario(speaking(audience)), llm="openai:m@http://127.0.0.1:9/v1")
    (found,) = asyncio.run(estimate(scenario, Options(), probe=probe)).audiences
    out = RunDirectory.fresh(tmp_path / "run")
    run = start_run(scenario, out, "e", Options(report=False), lambda: "now")
    with Journal(out.journal) as journal:
        usage = journal.totals().usage
    assert share * found.most_calls <= run.spent.calls <= found.most_calls, "as bad as can be"
    assert usage.prompt <= found.most.prompt
    assert usage.completion <= found.most.answer

"""Every engine keeps the same promises: schemas, log-probabilities, seeds, limits, cache, runs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from focusgroup.agents.llm import (
    Capabilities,
    CompletionRequest,
    Message,
    TokenCounter,
    TransportError,
)
from focusgroup.simulator import ParquetStore, Response

# Engines warn of their own future; that is theirs to mend.
pytestmark = pytest.mark.filterwarnings("default")

SCHEMA = {
    "type": "object",
    "properties": {
        "picks": {
            "type": "array",
            "maxItems": 2,
            "items": {
                "type": "object",
                "properties": {
                    "n": {"type": "integer", "minimum": 1, "maximum": 3},
                    "stars": {"type": "integer", "minimum": 1, "maximum": 5},
                },
                "required": ["n", "stars"],
                "additionalProperties": False,
            },
        },
        "why": {"type": "string", "maxLength": 20},
        "stay": {"type": "boolean"},
    },
    "required": ["picks", "why", "stay"],
    "additionalProperties": False,
}
PERSONA = Message(
    "system", "You choose films. " + " ".join(f"You have seen film {n}." for n in range(60))
)
PAGE = CompletionRequest(
    (PERSONA, Message("user", "1. Alien: horror\n2. Babe: children\n3. Heat: crime\nWhich?")),
    schema=SCHEMA,
    max_tokens=120,
)
QUESTION = CompletionRequest(
    (Message("user", "Is water wet? Answer yes or no."),), max_tokens=1, top_logprobs=20
)
BLOCK = 128  # tokens that vLLM's cache holds or drops together on a processor, at most
SCENARIO = """\
title: Twenty pages
data: {name: movies}
page: {k: 4, pages: 2}
recommenders: [random, popularity]
audiences:
  small: {agent: llm, users: 8, llm: embedded, style: answer}
primary: click_rate
"""


def test_it_says_what_it_can(engine):
    found = engine.runner.run(engine.model.capabilities())
    assert found == Capabilities(json_schema=True, logprobs=True)
    if not engine.name.endswith("_http"):  # a server names its model as it likes
        assert re.fullmatch(r"[\w.-]+@sha256:[0-9a-f]{64}", engine.model.fingerprint), "no path"


def test_replies_follow_the_schema(engine):
    prompts = ["Which?", "Which one, and why not the others?", "Say it\n\n in  words.", "最好的?"]
    asked = [replace(PAGE, messages=(PERSONA, Message("user", one))) for one in prompts]
    for reply in engine.ask(*asked):
        assert reply.finish_reason == "stop", reply
        answer = json.loads(reply.text)
        assert list(answer) == ["picks", "why", "stay"], "keys are generated in the schema's order"
        assert all(pick["n"] in (1, 2, 3) and 1 <= pick["stars"] <= 5 for pick in answer["picks"])
        assert len(answer["picks"]) <= 2
        assert len(answer["why"]) <= 20
        assert isinstance(answer["stay"], bool)
        assert 0 < reply.usage.completion <= 120
        assert reply.usage.prompt > 300
        assert reply.latency > 0


def test_the_first_tokens_alternatives(engine):
    (reply,) = engine.ask(QUESTION)
    assert reply.logprobs is not None
    values = [value for _, value in reply.logprobs]
    assert len(values) == 20
    assert values == sorted(values, reverse=True)
    assert -100 < min(values) <= max(values) <= 0
    assert {"yes", "no"} <= {token.strip().lower() for token, _ in reply.logprobs}
    assert reply.logprobs[0][0] == reply.text, "temperature 0 takes the likeliest"
    (bare,) = engine.ask(replace(QUESTION, top_logprobs=0))
    assert bare.logprobs is None


def test_tokens_that_a_schema_forbids_are_no_alternatives(engine):
    (reply,) = engine.ask(replace(PAGE, top_logprobs=20))
    assert reply.logprobs is not None
    assert all(value > -1000 for _, value in reply.logprobs)
    if not engine.name.startswith(("llama", "embedded")):  # they look before the grammar does
        assert all(token.startswith("{") for token, _ in reply.logprobs), reply.logprobs


def test_a_seed_repeats_and_another_differs(engine):
    free = replace(PAGE, schema=None, max_tokens=16, temperature=1.5)
    seeds = (1, 2, 3, 2**62 + 3)
    first = [reply.text for seed in seeds for reply in engine.ask(replace(free, seed=seed))]
    assert len(set(first)) > 1
    if not engine.name.startswith(("llama", "embedded")):  # a cached prompt may change theirs
        again = [reply.text for seed in seeds for reply in engine.ask(replace(free, seed=seed))]
        assert again == first


def test_seeded_requests_at_once_leave_the_engine_alive(engine):
    free = replace(PAGE, max_tokens=60, temperature=1.0)
    replies = engine.ask(*(replace(free, seed=seed) for seed in range(8)))
    assert len(replies) == 8
    assert engine.ask(QUESTION)


def test_a_reply_that_is_cut_says_so(engine):
    (reply,) = engine.ask(replace(PAGE, max_tokens=5))
    assert reply.finish_reason == "length"
    assert reply.usage.completion == 5


def test_a_prompt_beyond_the_context_is_refused(engine):
    long = replace(PAGE, messages=(Message("user", "word " * 9000),))
    with pytest.raises(TransportError):
        engine.ask(long)
    assert engine.ask(QUESTION), "and others are answered"


def test_a_beginning_seen_before_comes_from_the_cache(engine):
    engine.ask(replace(PAGE, max_tokens=1))
    other = replace(PAGE, messages=(PERSONA, Message("user", "1. Solaris\n2. Up\nWhich?")))
    (reply,) = engine.ask(other)
    new = 40  # the question, and what a chat template puts around it
    assert reply.usage.cached >= reply.usage.prompt - new - BLOCK, reply.usage


def test_tokens_are_counted_exactly(engine):
    if not isinstance(engine.model, TokenCounter):
        pytest.skip(f"{engine.name} does not count tokens")
    (reply,) = engine.ask(QUESTION)
    assert engine.model.prompt_tokens(QUESTION.messages) == reply.usage.prompt
    assert engine.model.text_tokens(" yes") == 1


def test_a_run_of_twenty_pages(engine, engines, tmp_path: Path):
    (tmp_path / "pages.yaml").write_text(SCENARIO)
    out = tmp_path / "run"
    command = [sys.executable, "-m", "focusgroup.scenarios.cli", "run", tmp_path / "pages.yaml"]

    def run(folder: Path, mode: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [
                *command,
                "--out",
                folder,
                "--llm",
                engine.spec,
                "--journal-mode",
                mode,
                "--journal",
                tmp_path / "journal.sqlite",
                "--quiet",
            ],
            env={**engines.surroundings(), **os.environ},
            capture_output=True,
            text=True,
            timeout=1800,
            check=False,
        )

    done = run(out, "record")
    assert done.returncode == 0, done.stdout + done.stderr
    turns = [turn for session in sessions(out) for turn in session.turns]
    answered = [turn for turn in turns if isinstance(turn.outcome, Response)]
    assert len(answered) >= 20, done.stdout
    again = run(tmp_path / "again", "replay")
    assert again.returncode == 0, again.stdout + again.stderr
    assert sessions(tmp_path / "again") == sessions(out), "a replay needs no engine"


def sessions(folder: Path):
    stored = ParquetStore(folder / "sessions", writing=False).sessions()
    return sorted(stored, key=lambda session: session.key)

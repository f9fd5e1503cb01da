"""The embedded model, for real: llama.cpp with SmolLM2 in this process."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import traceback
from collections.abc import Iterator
from dataclasses import replace

import pytest

from focusgroup.agents.llm import (
    LLM,
    Capabilities,
    CompletionRequest,
    Message,
    TransportError,
    find_model,
    open_llm,
    parse_llm,
)
from focusgroup.agents.llm.local.embedded import EmbeddedLLM
from focusgroup.agents.llm.local.models import KNOWN_MODELS
from focusgroup.agents.reply import (
    REASON_LIMIT,
    answer_schema,
    answer_token_limit,
    most_picks,
)
from focusgroup.simulator.errors import UserError

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
PAGE = CompletionRequest(
    (
        Message("system", "You choose films and answer with pretty JSON on many lines."),
        Message("user", "1. Alien: horror\n2. Babe: children\n3. Heat: crime\nWhich?"),
    ),
    schema=SCHEMA,
    max_tokens=80,
)


@pytest.fixture(scope="module")
def model() -> Iterator[EmbeddedLLM]:
    pytest.importorskip("xllamacpp", reason="the extra focusgroup[embedded] is not installed")
    try:
        find_model("smollm2")
    except UserError as error:
        pytest.skip(f"the embedded model is not tested: {error}")
    opened = open_llm(parse_llm("embedded"))
    assert isinstance(opened, EmbeddedLLM)
    yield opened
    asyncio.run(opened.aclose())


def ask(model: LLM, *requests: CompletionRequest):
    async def main():
        return await asyncio.gather(*(model.complete(one) for one in requests))

    return asyncio.run(main())


def test_replies_follow_the_schema_and_hold_no_free_white_space(model):
    prompts = ["Which?", "Which one, and why not the others?", "Say it\n\n in  words.", "最好的?"]
    asked = [replace(PAGE, messages=(PAGE.messages[0], Message("user", one))) for one in prompts]
    for reply in ask(model, *asked):
        assert reply.finish_reason == "stop"
        answer = json.loads(reply.text)
        assert list(answer) == ["picks", "why", "stay"], "keys are generated in the schema's order"
        assert all(pick["n"] in (1, 2, 3) and 1 <= pick["stars"] <= 5 for pick in answer["picks"])
        assert len(answer["picks"]) <= 2
        assert len(answer["why"]) <= 20
        assert isinstance(answer["stay"], bool)
        assert json.dumps(answer, separators=(",", ":"), ensure_ascii=False) == reply.text
        assert reply.usage.prompt > 0
        assert reply.usage.completion <= 80
        assert reply.latency > 0


def test_a_reply_to_a_page_keeps_its_schema(model):
    """Lists no longer than they may be, numbers of the page, fields in their order."""
    k = 3
    schema = answer_schema(k, stars=True, buy=True)
    (reply,) = ask(model, replace(PAGE, schema=schema, max_tokens=answer_token_limit(k)))
    assert reply.finish_reason == "stop"
    answer = json.loads(reply.text)
    assert list(answer) == schema["required"]
    for name, most in (("picks", k), ("stars", 5), ("buy", k)):
        assert len(answer[name]) <= most_picks(k)
        assert set(answer[name]) <= set(range(1, most + 1))
    assert len(answer["why"]) <= REASON_LIMIT
    assert json.dumps(answer, separators=(",", ":"), ensure_ascii=False) == reply.text


def test_a_prompt_seen_before_is_taken_from_the_cache(model):
    asked = replace(PAGE, schema=None, max_tokens=1)
    ask(model, asked)
    (again,) = ask(model, asked)
    assert again.usage.cached >= again.usage.prompt - 2


def test_the_first_tokens_alternatives(model):
    question = Message("user", "Is water wet? Answer yes or no.")
    asked = CompletionRequest((question,), max_tokens=1, top_logprobs=20)
    (reply,) = ask(model, asked)
    values = [value for _, value in reply.logprobs]
    assert len(values) == 20
    assert values == sorted(values, reverse=True)
    assert max(values) <= 0
    assert {"yes", "no"} <= {token.strip().lower() for token, _ in reply.logprobs}
    assert reply.logprobs[0][0] == reply.text, "temperature 0 takes the likeliest"
    (bare,) = ask(model, replace(asked, top_logprobs=0))
    assert bare.logprobs is None


def test_a_reply_that_is_cut_says_so(model):
    (reply,) = ask(model, replace(PAGE, max_tokens=5))
    assert reply.finish_reason == "length"
    assert reply.usage.completion == 5


def test_temperature_and_seed_sample(model):
    asked = replace(PAGE, schema=None, max_tokens=12, temperature=1.5)
    replies = ask(model, *(replace(asked, seed=seed) for seed in (1, 2, 2**62 + 3)))
    assert len({reply.text for reply in replies}) > 1


def test_a_prompt_longer_than_the_context_is_refused_in_words(model):
    asked = replace(PAGE, messages=(Message("user", "word " * 3000),))
    with pytest.raises(TransportError, match="exceeds the available context size"):
        ask(model, asked)


def test_a_schema_llama_cpp_cannot_enforce_is_an_error(model):
    with pytest.raises(UserError, match="schema"):
        ask(model, replace(PAGE, schema={"type": "nonsense"}, max_tokens=200))


def test_it_can_do_both_and_is_known_by_its_file(model):
    assert asyncio.run(model.capabilities()) == Capabilities(json_schema=True, logprobs=True)
    digest = KNOWN_MODELS["smollm2"].file_sha256
    assert model.fingerprint == f"SmolLM2-135M-Instruct.Q4_1.gguf@sha256:{digest}"


QUIET = """
import asyncio, resource
from focusgroup.agents.llm import CompletionRequest, Message, TransportError, open_llm, parse_llm
async def main():
    model = open_llm(parse_llm("embedded"))
    asked = CompletionRequest((Message("user", "Hello."),), max_tokens=5)
    await asyncio.gather(*(model.complete(asked) for _ in range(4)))
    under_way = asyncio.create_task(model.complete(asked))
    await asyncio.sleep(0)
    await model.aclose()
    await asyncio.gather(under_way, return_exceptions=True)
    try:
        await model.complete(asked)
    except TransportError as error:
        print(error)
asyncio.run(main())
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def test_it_prints_nothing_closes_cleanly_and_is_small(model):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", QUIET],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    closed, megabytes = done.stdout.splitlines()
    assert closed == "the embedded model is closed"
    assert int(megabytes) < 800


def test_a_file_that_is_no_model_is_an_error_without_a_crash(model, tmp_path, capfd):
    path = tmp_path / "broken.gguf"
    path.write_bytes(b"GGUF" + b"\0" * 100)
    with pytest.raises(UserError, match=r"broken\.gguf: llama\.cpp cannot load this model"):
        open_llm(parse_llm(f"embedded:{path}"))
    assert capfd.readouterr() == ("", "")


def test_without_the_extra_the_error_says_what_to_install(monkeypatch, tmp_path):
    path = tmp_path / "some.gguf"
    path.write_bytes(b"GGUF")
    monkeypatch.setenv("FOCUSGROUP_CACHE", str(tmp_path))
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    with pytest.raises(UserError, match=r"pip install 'focusgroup\[embedded\]'") as caught:
        EmbeddedLLM(path)
    assert "xllamacpp" in "".join(traceback.format_exception(caught.value))


def test_without_the_file_the_error_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setenv("FOCUSGROUP_CACHE", str(tmp_path))
    with pytest.raises(UserError, match="focusgroup models get smollm2"):
        open_llm(parse_llm("embedded"))

"""The vLLM backend's plain logic; with a real engine it is tested in tests/servers."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path
from types import SimpleNamespace

import pytest

from focusgroup.agents.llm import CompletionRequest, Message, Usage, open_llm, parse_llm
from focusgroup.agents.llm.alternatives import likeliest_first
from focusgroup.agents.llm.local.vllm import completion, engine_arguments
from focusgroup.agents.llm.target import parse_target
from focusgroup.simulator.errors import UserError

ASKED = CompletionRequest((Message("user", "?"),), top_logprobs=2)


def reply(**changes: object) -> SimpleNamespace:
    """As vLLM's RequestOutput."""
    said = {
        "text": "yes",
        "finish_reason": "stop",
        "token_ids": [5, 2],
        "logprobs": [
            {
                7: SimpleNamespace(decoded_token="no", logprob=-2.0),
                5: SimpleNamespace(decoded_token="yes", logprob=-0.5),
                9: SimpleNamespace(decoded_token="masked", logprob=-math.inf),
                8: SimpleNamespace(decoded_token="taken", logprob=-8.0),
            },
            {2: SimpleNamespace(decoded_token="<end>", logprob=0.0)},
        ],
    } | changes
    return SimpleNamespace(
        outputs=[SimpleNamespace(**said)], prompt_token_ids=[1, 2, 3], num_cached_tokens=2
    )


def test_a_reply_becomes_a_completion():
    made = completion(reply(), ASKED, 1.5)
    assert (made.text, made.finish_reason, made.latency) == ("yes", "stop", 1.5)
    assert made.usage == Usage(prompt=3, completion=2, cached=2)
    assert made.logprobs == (("yes", -0.5), ("no", -2.0)), "the first token's, likeliest first"


def test_a_reply_that_was_cut_or_asked_without_alternatives():
    made = completion(reply(finish_reason="length", logprobs=None), ASKED, 0.0)
    assert (made.finish_reason, made.logprobs) == ("length", None)
    bare = CompletionRequest(ASKED.messages)
    assert completion(reply(), bare, 0.0).logprobs is None


def test_masked_alternatives_are_none():
    assert likeliest_first([("a", -9999.0), ("b", None), ("c", -math.inf)]) is None
    assert likeliest_first([("b", -1.0), ("a", -1.0), ("c", -0.1)], 2) == (("c", -0.1), ("a", -1.0))


def test_engine_arguments_are_ours_unless_others_are_given():
    plain = engine_arguments(Path("/m"), parse_target("vllm", "m"), processor=False)
    assert plain["model"] == "/m"
    assert plain["enable_prefix_caching"] is True
    assert "enable_chunked_prefill" not in plain
    text = "m?tensor_parallel_size=2&data_parallel_size=4&enable_prefix_caching=false&thinking=true"
    given = engine_arguments(Path("/m"), parse_target("vllm", text), processor=True)
    assert (given["tensor_parallel_size"], given["data_parallel_size"]) == (2, 4)
    assert given["enable_prefix_caching"] is False
    assert given["enable_chunked_prefill"] is False, "seeds kill engines that cut prompts"
    assert "thinking" not in given, "vLLM knows no such argument"


@pytest.mark.skipif(importlib.util.find_spec("vllm") is not None, reason="vLLM is installed")
def test_without_vllm_the_error_says_what_to_install():
    with pytest.raises(UserError, match=r"pip install 'focusgroup\[vllm\]'"):
        open_llm(parse_llm("vllm:Qwen/Qwen3-8B?tensor_parallel_size=2"))

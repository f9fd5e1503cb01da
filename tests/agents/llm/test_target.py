"""What follows `vllm:` and `transformers:`: a model, and options behind a question mark."""

from __future__ import annotations

import pytest

from focusgroup.agents.llm.target import parse_target
from focusgroup.simulator.errors import UserError


def test_a_model_alone():
    target = parse_target("vllm", "Qwen/Qwen3-8B")
    assert (target.model, dict(target.options)) == ("Qwen/Qwen3-8B", {})


def test_options_have_the_types_they_look_like():
    text = (
        "/models/m?tensor-parallel-size=2&gpu_memory_utilization=0.9&enforce_eager=true"
        '&dtype=bfloat16&trust_remote_code=False&hf_overrides={"a":1}&quantization=null&path=a%26b'
    )
    assert dict(parse_target("vllm", text).options) == {
        "tensor_parallel_size": 2,
        "gpu_memory_utilization": 0.9,
        "enforce_eager": True,
        "dtype": "bfloat16",
        "trust_remote_code": False,
        "hf_overrides": {"a": 1},
        "quantization": None,
        "path": "a&b",
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no model is named; write vllm:OWNER/REPO"),
        ("?dtype=auto", "no model is named"),
        ("m?dtype", r"'dtype' is no option; write vllm:m\?option=value"),
        ("m?=2", "'=2' is no option"),
        ("m?dtype=", "'dtype=' is no option"),
        ("m?a=1&&b=2", "'' is no option"),
        ("m?a-b=1&a_b=2", "option 'a_b' is given twice"),
    ],
)
def test_what_is_malformed_is_said(text, said):
    with pytest.raises(UserError, match=said):
        parse_target("vllm", text)


def test_a_typo_is_met_with_the_name_that_was_meant():
    target = parse_target("vllm", "m?tensor_paralel_size=2")
    with pytest.raises(UserError, match="Did you mean 'tensor_parallel_size'"):
        target.check(["tensor_parallel_size", "dtype"])
    target.check(["tensor_paralel_size"])

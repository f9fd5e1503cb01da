"""The OpenAI chat shape, spoken by servers and by llama.cpp in process: request out, reply in."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, Field

from .alternatives import likeliest_first
from .protocol import Completion, CompletionRequest, Usage

# No context holds more; a server that says so has miscounted.
_MOST_TOKENS = 10_000_000


def _believable(count: object) -> int:
    """A count of tokens, or 0 where the server gave none that can be true."""
    if isinstance(count, bool) or not isinstance(count, int):
        return 0
    return count if 0 <= count <= _MOST_TOKENS else 0


def _object_or_none(value: object) -> object:
    return value if isinstance(value, dict) else None


_Tokens = Annotated[int, BeforeValidator(_believable)]


class _Alternative(BaseModel):
    token: str
    logprob: float | None = None


class _Token(_Alternative):
    top_logprobs: list[_Alternative] = Field(default_factory=list)


class _Logprobs(BaseModel):
    content: list[_Token] | None = None


class _Message(BaseModel):
    content: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None
    logprobs: _Logprobs | None = None


class _PromptDetails(BaseModel):
    cached_tokens: _Tokens = 0


class _Usage(BaseModel):
    prompt_tokens: _Tokens = 0
    completion_tokens: _Tokens = 0
    prompt_tokens_details: Annotated[_PromptDetails | None, BeforeValidator(_object_or_none)] = None


class _Reply(BaseModel):
    choices: list[_Choice] = Field(min_length=1)
    usage: Annotated[_Usage | None, BeforeValidator(_object_or_none)] = None


def chat_body(request: CompletionRequest) -> dict[str, object]:
    """The fields of a chat call that every OpenAI-compatible server reads, the schema left out.

    A seed is sent only where something is sampled: at temperature 0 it means nothing, and some
    servers handle seeded requests badly.
    """
    body: dict[str, object] = {
        "messages": [{"role": m.role, "content": m.content} for m in request.messages],
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
    }
    if request.temperature > 0:
        body["seed"] = request.seed & 0x7FFFFFFF
    if request.top_logprobs:
        body["logprobs"] = True
        body["top_logprobs"] = request.top_logprobs
    return body


def read_reply(reply: str | bytes | dict[str, object], latency: float = 0.0) -> Completion:
    """The completion in a chat reply (JSON text or parsed); a missing content is the text "".

    Counts of tokens that are missing or cannot be true are 0: an answer is not lost over its bill.

    Raises:
        ValueError: it is not a chat completion.
    """
    if isinstance(reply, dict):
        parsed = _Reply.model_validate(reply)
    else:
        parsed = _Reply.model_validate_json(reply)
    choice = parsed.choices[0]
    usage = parsed.usage or _Usage()
    details = usage.prompt_tokens_details or _PromptDetails()
    return Completion(
        text=choice.message.content or "",
        finish_reason=choice.finish_reason or "stop",
        usage=Usage(usage.prompt_tokens, usage.completion_tokens, details.cached_tokens),
        logprobs=_first_token(choice.logprobs),
        latency=latency,
    )


def _first_token(logprobs: _Logprobs | None) -> tuple[tuple[str, float], ...] | None:
    """The first token's alternatives, likeliest first, without those a grammar has masked."""
    if logprobs is None or not logprobs.content:
        return None
    first = logprobs.content[0]
    return likeliest_first((one.token, one.logprob) for one in first.top_logprobs or [first])

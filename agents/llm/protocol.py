"""What this project asks of a language model: one message list in, one completion out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from json.encoder import encode_basestring
from typing import Any, Literal, Protocol, runtime_checkable

JsonSchema = Mapping[str, Any]


_compact = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_quoted = encode_basestring
_SCHEMAS_KEPT = 256
_schema_texts: dict[int, tuple[JsonSchema | None, tuple[str, str]]] = {}


def schema_texts(schema: JsonSchema | None) -> tuple[str, str]:
    """A schema as JSON: its keys in their own order, as servers generate by it, and sorted.

    The same few schemas go with every call, so their texts are kept: never change one.
    """
    kept = _schema_texts.get(id(schema))
    if kept is not None and kept[0] is schema:
        return kept[1]
    own = _compact(schema)
    ordered = json.dumps(schema, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    if len(_schema_texts) >= _SCHEMAS_KEPT:
        _schema_texts.clear()
    # Kept with the schema itself, so that its id stays its own.
    _schema_texts[id(schema)] = schema, (own, ordered)
    return own, ordered


@dataclass(frozen=True, slots=True)
class Message:
    """One chat message."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """One call.

    Attributes:
        schema: JSON schema the reply must follow, or None for free text; not to be changed.
        max_tokens: upper bound on generated tokens; a reply cut by it is an error of its own.
        temperature: 0 takes the likeliest token.
        top_logprobs: how many alternatives of the first token to return with log-probabilities.
        seed: sampling seed.
        attempt: 0, or 1 for the one fresh attempt after a malformed reply.
        replicate: tells apart identical requests that want independent answers.
    """

    messages: tuple[Message, ...]
    schema: JsonSchema | None = None
    max_tokens: int = 256
    temperature: float = 0.0
    top_logprobs: int = 0
    seed: int = 0
    attempt: int = 0
    replicate: int = 0

    def key(self, fingerprint: str) -> str:
        """The journal key: a hash of everything that determines the answer."""
        # An object with sorted keys, put together by hand: this is computed for every call.
        messages = ",".join(f"[{_quoted(m.role)},{_quoted(m.content)}]" for m in self.messages)
        text = (
            f'{{"attempt":{self.attempt:d},"max_tokens":{self.max_tokens:d}'
            f',"messages":[{messages}],"model":{_quoted(fingerprint)}'
            f',"replicate":{self.replicate:d},"schema":{schema_texts(self.schema)[1]}'
            f',"seed":{self.seed:d},"temperature":{_compact(self.temperature)}'
            f',"top_logprobs":{self.top_logprobs:d}}}'
        )
        return hashlib.blake2b(text.encode(), digest_size=20).hexdigest()


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one completion; `cached` of the prompt tokens came from the server's cache."""

    prompt: int = 0
    completion: int = 0
    cached: int = 0


@dataclass(frozen=True, slots=True)
class Completion:
    """One reply.

    Attributes:
        text: the reply as given ("" if the server sent nothing).
        logprobs: (token, natural log-probability) of the first token's alternatives, or None.
        finish_reason: "stop", "length" (cut), or what the server said.
        latency: seconds, as measured when it was first asked.
    """

    text: str
    finish_reason: str = "stop"
    usage: Usage = Usage()
    logprobs: tuple[tuple[str, float], ...] | None = None
    latency: float = 0.0


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a backend can do, probed once."""

    json_schema: bool
    logprobs: bool


class TransportKind(StrEnum):
    """Why no answer came."""

    REFUSED = "refused"  # no connection could be made
    TIMEOUT = "timeout"
    DROPPED = "dropped"  # the connection broke before the whole reply had come
    BUSY = "busy"  # status 429: asked too much at once
    STATUS = "status"  # any other status that is no answer
    MALFORMED = "malformed"  # a reply came, and it is no chat completion
    TOO_LARGE = "too_large"  # a reply beyond what any page may take
    ENGINE = "engine"  # an engine in this process refused the request


class TransportError(Exception):
    """The server did not answer, after the backend's own bounded retries. Never journaled.

    Args:
        detail: what happened, without anything secret.
        kind: the class of failure, for counting.
        status: the HTTP status that came instead of an answer.
        retry_after: seconds the server asks to be left alone.
    """

    def __init__(
        self,
        detail: str,
        kind: TransportKind = TransportKind.ENGINE,
        *,
        status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.status = status
        self.retry_after = retry_after


@runtime_checkable
class LLM(Protocol):
    """A language model.

    Attributes:
        fingerprint: model id + revision (file hash if local), never a URL: part of journal keys.
    """

    @property
    def fingerprint(self) -> str: ...

    async def complete(self, request: CompletionRequest) -> Completion:
        """Raises TransportError if no answer came, RunStopped if a budget is spent."""
        ...

    async def capabilities(self) -> Capabilities:
        """Probes on first use. Raises UserError (what, where, what to do) if the model is out of
        reach or unknown to the server."""
        ...

    async def aclose(self) -> None: ...


@runtime_checkable
class TokenCounter(Protocol):
    """A language model, or anything else, that knows its tokenizer."""

    def prompt_tokens(self, messages: Sequence[Message]) -> int:
        """Tokens of the prompt these messages become, chat template included."""
        ...

    def text_tokens(self, text: str) -> int:
        """Tokens of a text on its own, say an answer."""
        ...


@runtime_checkable
class OnServers(Protocol):
    """A language model on servers, of which some may be away; or what stands before one."""

    def away(self) -> tuple[str, ...]:
        """URLs of those that did not answer when they were last asked, while others did."""
        ...


def servers_away(model: object) -> tuple[str, ...]:
    """As `OnServers.away`; none of a model that is not on servers."""
    return model.away() if isinstance(model, OnServers) else ()

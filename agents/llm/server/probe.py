"""Getting to know a server: is the model there, what can it do, what does it call its limit?"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import NoReturn, Protocol

from focusgroup.agents.llm.chat import read_reply
from focusgroup.agents.llm.protocol import (
    Capabilities,
    CompletionRequest,
    JsonSchema,
    Message,
    TransportError,
    TransportKind,
)
from focusgroup.simulator.errors import UserError, did_you_mean

from .served import passes
from .wire import Answer, Wire

WORD = CompletionRequest(
    (Message("user", "Is water wet? Answer with one word, yes or no."),), max_tokens=1
)
OLD_LIMIT, NEW_LIMIT = "max_tokens", "max_completion_tokens"
_SCHEMA: JsonSchema = {
    "type": "object",
    "properties": {"wet": {"type": "boolean"}},
    "required": ["wet"],
    "additionalProperties": False,
}
_UNSUPPORTED = (400, 422, 501)
_SECOND_LOOK = 0.5  # seconds before a question that met a passing failure is asked again, once


class Chat(Protocol):
    """Sends one chat call, the limit of tokens under this name."""

    async def __call__(self, request: CompletionRequest, limit_field: str) -> Answer: ...


@dataclass(slots=True)
class Probe:
    """Asks a server what it can do, each question at most twice.

    Attributes:
        key_variable: where the key comes from, for messages.
        limit_field: what the server calls the limit of tokens, known after `look`.
    """

    model: str
    wire: Wire
    chat: Chat
    key_variable: str
    sleep: Callable[[float], Awaitable[None]]
    limit_field: str = OLD_LIMIT

    async def look(self) -> Capabilities:
        """Raises TransportError if nobody answers, UserError if the key or model is refused."""
        await self._find_model()
        logprobs = await self._logprobs()
        return Capabilities(json_schema=await self._schema(), logprobs=logprobs)

    async def _find_model(self) -> None:
        answer = await self._twice(lambda: self.wire.get("/models"))
        # Some servers have no list of models; the first call will tell.
        if answer.status in (404, 405, 501):
            return
        self._must(answer)
        try:
            known = [str(one["id"]) for one in json.loads(answer.body)["data"]]
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"{self.wire.url}/models does not answer like an OpenAI-compatible server; "
                "does the URL end in /v1?"
            ) from self.wire.cause(error)
        if self.model not in known:
            raise UserError(
                f"{self.wire.url} has no model {self.model!r}.{did_you_mean(self.model, known)}"
            )

    async def _logprobs(self) -> bool:
        answer = await self._asked(replace(WORD, top_logprobs=5))
        if answer.status in _UNSUPPORTED:
            await self._plain()
            return False
        self._must(answer)
        try:
            return read_reply(answer.body).logprobs is not None
        except ValueError as error:
            raise UserError(
                f"{self.wire.url} does not answer with chat completions"
            ) from self.wire.cause(error)

    async def _plain(self) -> None:
        answer = await self._asked(WORD)
        if answer.status == 400 and NEW_LIMIT in answer.words:
            # OpenAI's newer models know the limit by another name only.
            self.limit_field = NEW_LIMIT
            answer = await self._asked(WORD)
        self._must(answer)

    async def _schema(self) -> bool:
        answer = await self._asked(replace(WORD, schema=_SCHEMA, max_tokens=16))
        if answer.status in _UNSUPPORTED:
            return False
        self._must(answer)
        try:
            reply = read_reply(answer.body)
        except ValueError:
            return False
        # The question asks for a word, so only a server that enforces the schema begins an object.
        # Nothing at all means that reasoning used up the few tokens: the schema was accepted.
        return not reply.text or reply.text.lstrip().startswith("{")

    async def _asked(self, request: CompletionRequest) -> Answer:
        return await self._twice(lambda: self.chat(request, self.limit_field))

    async def _twice(self, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        """The answer, also a refusal; where it may pass, that of a second try."""
        try:
            answer = await ask()
            if answer.status < 400 or not passes(status_error(self.wire, answer)):
                return answer
        except TransportError as error:
            if not passes(error):
                raise
        await self.sleep(_SECOND_LOOK)
        return await ask()

    def _must(self, answer: Answer) -> None:
        """Raises TransportError if a second look found the server no better, else UserError."""
        if 200 <= answer.status < 300:
            return
        error = status_error(self.wire, answer)
        if passes(error):
            raise error
        refuse(self.model, self.wire, answer, self.key_variable)


def refuse(model: str, wire: Wire, answer: Answer, key_variable: str) -> NoReturn:
    """Raises UserError: what the server holds against the key, the URL or the model."""
    status = answer.status
    if status in (401, 403):
        problem = f"refuses the key (status {status}); set {key_variable} to a valid one"
    elif 300 <= status < 400:
        problem = (
            f"answers with a redirect (status {status}), which is not followed; name the URL it "
            "leads to"
        )
    else:
        problem = (
            f"refuses to run model {model!r} (status {status}): {answer.words}; check the model's "
            "name and the server"
        )
    raise UserError(wire.clean(f"{wire.url} {problem}"))


def unreachable(model: str, error: TransportError) -> UserError:
    """What to tell a person whose server does not answer."""
    return UserError(
        f"no language model answers at {error}; start the server "
        f"(for example `vllm serve {model}`), or correct the URL in --llm if the run is a new one"
    )


def status_error(wire: Wire, answer: Answer) -> TransportError:
    """A status that is no answer, as an error of a call."""
    return TransportError(
        wire.clean(f"{wire.url}: status {answer.status}: {answer.words}"),
        TransportKind.BUSY if answer.status == 429 else TransportKind.STATUS,
        status=answer.status,
        retry_after=answer.retry_after,
    )

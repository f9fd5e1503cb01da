"""Any server that speaks OpenAI's chat completions: vLLM, llama.cpp, Ollama, OpenAI itself."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from types import TracebackType
from typing import NoReturn

from focusgroup.simulator.errors import UserError, did_you_mean

from .chat import chat_body, read_reply
from .protocol import (
    Capabilities,
    Completion,
    CompletionRequest,
    JsonSchema,
    Message,
    TransportError,
    TransportKind,
    schema_texts,
)
from .queue import queue_length
from .served import passes
from .wire import Answer, Wire, check_url

OPENAI_URL = "https://api.openai.com/v1"
_PROBE = CompletionRequest(
    (Message("user", "Is water wet? Answer with one word, yes or no."),), max_tokens=1
)
_PROBE_SCHEMA: JsonSchema = {
    "type": "object",
    "properties": {"wet": {"type": "boolean"}},
    "required": ["wet"],
    "additionalProperties": False,
}
_UNSUPPORTED = (400, 422, 501)
_SECOND_LOOK = 0.5  # seconds before a probe that met a passing failure is repeated, once


class OpenAILLM:
    """A model behind one OpenAI-compatible server, asked once a call (a `ServedLLM`).

    Retries, waiting for a server that is away, and how many calls go out at once are for
    `PatientLLM` and `PacedLLM`; `open_openai` puts them together.

    Args:
        model: the name the server gives it. It is the fingerprint, with the revision if one is
            named; the URL is not, so the same model may be served elsewhere tomorrow.
        base_url: up to and including `/v1`, without user name, password or query; None for
            OpenAI's own (or OPENAI_BASE_URL).
        key_variable: environment variable that holds the key; it may be unset where `base_url` is
            a server that wants none.
        revision: distinguishes versions of a model that bear one name.
        timeout: seconds to wait for one answer.

    Raises:
        UserError: OpenAI's own server without a key, a key that cannot be sent, or a URL that
            holds something secret.
    """

    def __init__(
        self,
        model: str,
        base_url: str | None = None,
        *,
        key_variable: str = "OPENAI_API_KEY",
        revision: str = "",
        timeout: float = 120.0,
        clock: Callable[[], float] = time.perf_counter,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.model = model
        self.url = (base_url or os.environ.get("OPENAI_BASE_URL") or OPENAI_URL).rstrip("/")
        check_url(self.url)
        self._revision = revision
        self._clock, self._sleep = clock, sleep
        self._key_variable = key_variable
        key = os.environ.get(key_variable, "").strip()
        if base_url is None and not key:
            raise UserError(
                f"openai:{model}: OpenAI's server needs a key; set {key_variable}, or name your "
                f"own server: openai:{model}@http://localhost:8000/v1"
            )
        if not (key.isascii() and key.isprintable()):
            raise UserError(f"the key in {key_variable} holds characters no key has; set it anew")
        self._timeout = timeout
        account = _account() if base_url is None else {}
        self._wire = Wire(self.url, key=key, timeout=timeout, headers=account)
        # What others see of a server needs no key, and shall not get one.
        self._window = Wire(self.url.removesuffix("/v1"), timeout=min(timeout, 2.0))
        self._limit_field = "max_tokens"
        self._tells_queue = True
        self._found: Capabilities | None = None
        self._probing = asyncio.Lock()

    @property
    def fingerprint(self) -> str:
        return f"{self.model}@{self._revision}" if self._revision else self.model

    async def complete(self, request: CompletionRequest) -> Completion:
        """One chat completion. The schema is left out where the probe found it unsupported.

        Raises:
            TransportError: no answer, or none that is a chat completion.
            UserError: the server refuses the key or does not know the model.
        """
        started = self._clock()
        answer = await self._chat(request)
        if answer.status in (401, 403, 404):
            self._refused(answer)
        _check_status(self._wire, answer)
        return self._read(answer, self._clock() - started)

    async def probe(self) -> Capabilities:
        """Asks the server once: is the model there, does it give logprobs, does it keep a schema?

        Raises:
            TransportError: the server is down.
            UserError: it refuses the key, or does not know the model.
        """
        async with self._probing:
            if self._found is None:
                await self._find_model()
                logprobs = await self._probe_logprobs()
                self._found = Capabilities(await self._probe_schema(), logprobs)
            return self._found

    async def capabilities(self) -> Capabilities:
        """As `probe`; a server that is down is a UserError."""
        try:
            return await self.probe()
        except TransportError as error:
            raise unreachable(self.model, error) from error

    async def ping(self, within: float) -> None:
        """Asks for one word. Raises TransportError if none comes within so many seconds."""
        answer = await self._chat(_PROBE, within=min(within, self._timeout))
        _check_status(self._wire, answer)
        self._read(answer, 0.0)

    async def waiting(self) -> int | None:
        """Requests that queue at the server, as its /metrics say; None where they do not."""
        if not self._tells_queue:
            return None
        try:
            answer = await self._window.get("/metrics")
        except TransportError:
            return None  # nothing hangs on it: calls will say if the server is gone
        queue = queue_length(answer.body) if answer.status == 200 else None
        self._tells_queue = queue is not None
        return queue

    async def aclose(self) -> None:
        await self._wire.aclose()
        await self._window.aclose()

    async def __aenter__(self) -> OpenAILLM:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def _chat(self, request: CompletionRequest, within: float | None = None) -> Answer:
        body = chat_body(request)
        body["model"] = self.model
        body[self._limit_field] = body.pop("max_tokens")
        text = json.dumps(body, ensure_ascii=False)
        if request.schema is not None and (self._found is None or self._found.json_schema):
            schema, _ = schema_texts(request.schema)
            text = (
                f'{text[:-1]}, "response_format": {{"type": "json_schema", "json_schema": '
                f'{{"name": "answer", "strict": true, "schema": {schema}}}}}}}'
            )
        return await self._wire.post("/chat/completions", text.encode(), within=within)

    def _read(self, answer: Answer, latency: float) -> Completion:
        try:
            return read_reply(answer.body, latency)
        except ValueError as error:
            raise TransportError(
                self._wire.clean(
                    f"{self.url}: the reply is no chat completion: {answer.words[:200]!r}"
                ),
                TransportKind.MALFORMED,
            ) from self._wire.cause(error)

    async def _asked(self, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        """The answer, also a refusal; where it may pass, that of a second try."""
        try:
            answer = await ask()
            if not _passes(self._wire, answer):
                return answer
        except TransportError as error:
            if not passes(error):
                raise
        await self._sleep(_SECOND_LOOK)
        return await ask()

    async def _find_model(self) -> None:
        answer = await self._asked(lambda: self._wire.get("/models"))
        # Some servers have no list of models; the first call will tell.
        if answer.status in (404, 405, 501):
            return
        self._must(answer)
        try:
            known = [str(one["id"]) for one in json.loads(answer.body)["data"]]
        except (ValueError, KeyError, TypeError) as error:
            self._raise(
                f"{self.url}/models does not answer like an OpenAI-compatible server; "
                "does the URL end in /v1?",
                error,
            )
        if self.model not in known:
            raise UserError(
                f"{self.url} has no model {self.model!r}.{did_you_mean(self.model, known)}"
            )

    async def _probe_logprobs(self) -> bool:
        answer = await self._asked(lambda: self._chat(replace(_PROBE, top_logprobs=5)))
        if answer.status in _UNSUPPORTED:
            await self._probe_plain()
            return False
        self._must(answer)
        try:
            return read_reply(answer.body).logprobs is not None
        except ValueError as error:
            self._raise(f"{self.url} does not answer with chat completions", error)

    async def _probe_plain(self) -> None:
        answer = await self._asked(lambda: self._chat(_PROBE))
        if answer.status == 400 and "max_completion_tokens" in answer.words:
            # OpenAI's newer models know the limit by another name only.
            self._limit_field = "max_completion_tokens"
            answer = await self._asked(lambda: self._chat(_PROBE))
        self._must(answer)

    async def _probe_schema(self) -> bool:
        request = replace(_PROBE, schema=_PROBE_SCHEMA, max_tokens=16)
        answer = await self._asked(lambda: self._chat(request))
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

    def _must(self, answer: Answer) -> None:
        """Raises TransportError if a second look found the server no better, else UserError."""
        if 200 <= answer.status < 300:
            return
        error = _status_error(self._wire, answer)
        if passes(error):
            raise error
        self._refused(answer)

    def _refused(self, answer: Answer) -> NoReturn:
        status = answer.status
        if status in (401, 403):
            self._raise(
                f"{self.url} refuses the key (status {status}); "
                f"set {self._key_variable} to a valid one"
            )
        if 300 <= status < 400:
            self._raise(
                f"{self.url} answers with a redirect (status {status}), which is not followed; "
                "name the URL it leads to"
            )
        self._raise(
            f"{self.url} refuses to run model {self.model!r} "
            f"(status {status}): {answer.words}; check the model's name and the server"
        )

    def _raise(self, message: str, error: Exception | None = None) -> NoReturn:
        raise UserError(self._wire.clean(message)) from self._wire.cause(error)


def unreachable(model: str, error: TransportError) -> UserError:
    """What to tell a person whose server does not answer."""
    return UserError(
        f"no language model answers at {error}; start the server "
        f"(for example `vllm serve {model}`) or correct the URL in --llm"
    )


def _account() -> dict[str, str]:
    """OpenAI's own headers for people with several organisations or projects."""
    names = {"OPENAI_ORG_ID": "OpenAI-Organization", "OPENAI_PROJECT_ID": "OpenAI-Project"}
    return {header: os.environ[name] for name, header in names.items() if os.environ.get(name)}


def _passes(wire: Wire, answer: Answer) -> bool:
    return answer.status >= 400 and passes(_status_error(wire, answer))


def _check_status(wire: Wire, answer: Answer) -> None:
    if not 200 <= answer.status < 300:
        raise _status_error(wire, answer)


def _status_error(wire: Wire, answer: Answer) -> TransportError:
    return TransportError(
        wire.clean(f"{wire.url}: status {answer.status}: {answer.words}"),
        TransportKind.BUSY if answer.status == 429 else TransportKind.STATUS,
        status=answer.status,
        retry_after=answer.retry_after,
    )

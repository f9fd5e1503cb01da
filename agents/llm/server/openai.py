"""Any server that speaks OpenAI's chat completions: vLLM, llama.cpp, Ollama, OpenAI itself."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable
from types import TracebackType

from focusgroup.agents.llm.chat import chat_body, read_reply
from focusgroup.agents.llm.protocol import (
    Capabilities,
    Completion,
    CompletionRequest,
    TransportError,
    TransportKind,
    schema_texts,
)
from focusgroup.simulator.errors import UserError

from .probe import WORD, Probe, refuse, status_error, unreachable
from .queue import queue_length
from .wire import Answer, Wire, check_url

_as_json = json.JSONEncoder(ensure_ascii=False).encode
OPENAI_URL = "https://api.openai.com/v1"


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
        self._clock = clock
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
        self._probe = Probe(model, self._wire, self._chat, key_variable, sleep)
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
        answer = await self._chat(request, self._probe.limit_field)
        return self._read(answer, self._clock() - started)

    async def probe(self) -> Capabilities:
        """Asks the server once: is the model there, does it give logprobs, does it keep a schema?

        Raises:
            TransportError: the server is down.
            UserError: it refuses the key, or does not know the model.
        """
        async with self._probing:
            if self._found is None:
                self._found = await self._probe.look()
            return self._found

    async def capabilities(self) -> Capabilities:
        """As `probe`; a server that is down is a UserError."""
        try:
            return await self.probe()
        except TransportError as error:
            raise unreachable(self.model, error) from error

    async def ping(self, within: float) -> None:
        """Asks for one word. Raises TransportError if none comes within so many seconds."""
        limit = self._probe.limit_field
        self._read(await self._chat(WORD, limit, within=min(within, self._timeout)), 0.0)

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

    async def _chat(
        self, request: CompletionRequest, limit_field: str, within: float | None = None
    ) -> Answer:
        body = chat_body(request)
        body["model"] = self.model
        body[limit_field] = body.pop("max_tokens")
        text = _as_json(body)
        if request.schema is not None and (self._found is None or self._found.json_schema):
            schema, _ = schema_texts(request.schema)
            text = (
                f'{text[:-1]}, "response_format": {{"type": "json_schema", "json_schema": '
                f'{{"name": "answer", "strict": true, "schema": {schema}}}}}}}'
            )
        return await self._wire.post("/chat/completions", text.encode(), within=within)

    def _read(self, answer: Answer, latency: float) -> Completion:
        if answer.status in (401, 403, 404):
            refuse(self.model, self._wire, answer, self._key_variable)
        if not 200 <= answer.status < 300:
            raise status_error(self._wire, answer)
        try:
            return read_reply(answer.body, latency)
        except ValueError as error:
            raise TransportError(
                self._wire.clean(
                    f"{self.url}: the reply is no chat completion: {answer.words[:200]!r}"
                ),
                TransportKind.MALFORMED,
            ) from self._wire.cause(error)


def _account() -> dict[str, str]:
    """OpenAI's own headers for people with several organisations or projects."""
    names = {"OPENAI_ORG_ID": "OpenAI-Organization", "OPENAI_PROJECT_ID": "OpenAI-Project"}
    return {header: os.environ[name] for name, header in names.items() if os.environ.get(name)}

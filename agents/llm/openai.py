"""Any server that speaks OpenAI's chat completions: vLLM, llama.cpp, Ollama, OpenAI itself."""

from __future__ import annotations

import asyncio
import json
import os
import re
import time
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import NoReturn
from urllib.parse import urlsplit

import openai

from focusgroup.simulator.errors import UserError, did_you_mean

from .chat import chat_body, read_reply
from .options import LLMOptions
from .protocol import (
    Capabilities,
    Completion,
    CompletionRequest,
    JsonSchema,
    Message,
    TransportError,
)

_NO_KEY = "none-needed"
_HOST_WITHOUT_SCHEME = re.compile(r"(localhost|[\w.-]+:\d+)(/|$)")
_PROBE = CompletionRequest(
    (Message("user", "Is water wet? Answer with one word, yes or no."),), max_tokens=1
)
_PROBE_SCHEMA: JsonSchema = {
    "type": "object",
    "properties": {"wet": {"type": "boolean"}},
    "required": ["wet"],
    "additionalProperties": False,
}


class OpenAILLM:
    """A model behind an OpenAI-compatible server.

    Args:
        model: the name the server gives it. It is the fingerprint, with the revision if one is
            named; the URL is not, so the same model may be served elsewhere tomorrow.
        base_url: up to and including `/v1`; None for OpenAI's own.
        key_variable: environment variable that holds the key; it may be unset where `base_url` is
            a server that wants none.
        revision: distinguishes versions of a model that bear one name.
        timeout: seconds to wait for one answer.
        retries: how often to ask again after no answer, 429 or 5xx (waiting longer each time).

    Raises:
        UserError: OpenAI's own server without a key, or a URL that holds a password.
    """

    def __init__(
        self,
        model: str,
        base_url: str | None = None,
        *,
        key_variable: str = "OPENAI_API_KEY",
        revision: str = "",
        timeout: float = 120.0,
        retries: int = 3,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.model = model
        self._revision = revision
        self._clock = clock
        self._key_variable = key_variable
        self._key = os.environ.get(key_variable, "")
        if base_url is None and not self._key:
            raise UserError(
                f"openai:{model}: OpenAI's server needs a key; set {key_variable}, or name your "
                f"own server: openai:{model}@http://localhost:8000/v1"
            )
        if base_url is not None:
            _check_url(base_url)
        self._client = openai.AsyncOpenAI(
            api_key=self._key or _NO_KEY, base_url=base_url, timeout=timeout, max_retries=retries
        )
        self.url = str(self._client.base_url).rstrip("/")
        self._limit_field = "max_tokens"
        self._found: Capabilities | None = None
        self._probing = asyncio.Lock()

    @property
    def fingerprint(self) -> str:
        return f"{self.model}@{self._revision}" if self._revision else self.model

    async def complete(self, request: CompletionRequest) -> Completion:
        """One chat completion. The schema is left out where the probe found it unsupported.

        Raises:
            TransportError: no answer, or none that is a chat completion, after all retries.
            UserError: the server refuses the key or does not know the model.
        """
        started = self._clock()
        try:
            text = await self._chat(self._client, request)
        except openai.APIStatusError as error:
            if error.status_code in (401, 403, 404):
                self._refused(error)
            self._failed(f"status {error.status_code}: {_said(error)}", error)
        except openai.APIError as error:
            self._failed(str(error), error)
        try:
            return read_reply(text, self._clock() - started)
        except ValueError as error:
            self._failed(f"the reply is no chat completion: {text[:200]!r}", error)

    async def capabilities(self) -> Capabilities:
        """Asks the server once: is the model there, does it give logprobs, does it keep a schema?

        Raises:
            UserError: the server is down, refuses the key, or does not know the model.
        """
        async with self._probing:
            if self._found is None:
                client = self._client.with_options(max_retries=1)
                try:
                    await self._find_model(client)
                    logprobs = await self._probe_logprobs(client)
                    json_schema = await self._probe_schema(client)
                except openai.APIStatusError as error:
                    self._refused(error)
                except openai.APIError as error:
                    self._unreachable(error)
                self._found = Capabilities(json_schema=json_schema, logprobs=logprobs)
            return self._found

    async def aclose(self) -> None:
        await self._client.close()

    async def __aenter__(self) -> OpenAILLM:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def _chat(self, client: openai.AsyncOpenAI, request: CompletionRequest) -> str:
        body = chat_body(request)
        body["model"] = self.model
        body[self._limit_field] = body.pop("max_tokens")
        if request.schema is not None and (self._found is None or self._found.json_schema):
            body["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "answer", "schema": dict(request.schema), "strict": True},
            }
        # The plain text is read here: the client would take any JSON for a completion.
        return await client.post(
            "/chat/completions", body=body, cast_to=str, options={"headers": _JSON}
        )

    async def _find_model(self, client: openai.AsyncOpenAI) -> None:
        try:
            text = await client.get("/models", cast_to=str, options={"headers": _JSON})
        except openai.APIStatusError as error:
            # Some servers have no list of models; the first call will tell.
            if error.status_code in (404, 405, 501):
                return
            raise
        try:
            known = [str(one["id"]) for one in json.loads(text)["data"]]
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

    async def _probe_logprobs(self, client: openai.AsyncOpenAI) -> bool:
        try:
            reply = read_reply(await self._chat(client, replace(_PROBE, top_logprobs=5)))
        except ValueError as error:
            self._raise(f"{self.url} does not answer with chat completions", error)
        except openai.APIStatusError as error:
            if error.status_code not in (400, 422, 501):
                raise
            await self._probe_plain(client)
            return False
        return reply.logprobs is not None

    async def _probe_plain(self, client: openai.AsyncOpenAI) -> None:
        try:
            await self._chat(client, _PROBE)
        except openai.BadRequestError as error:
            # OpenAI's newer models know the limit by another name only.
            if "max_completion_tokens" not in _said(error):
                raise
            self._limit_field = "max_completion_tokens"
            await self._chat(client, _PROBE)

    async def _probe_schema(self, client: openai.AsyncOpenAI) -> bool:
        request = replace(_PROBE, schema=_PROBE_SCHEMA, max_tokens=16)
        try:
            reply = read_reply(await self._chat(client, request))
        except ValueError:
            return False
        except openai.APIStatusError as error:
            if error.status_code not in (400, 422, 501):
                raise
            return False
        # The question asks for a word, so only a server that enforces the schema begins an object.
        # Nothing at all means that reasoning used up the few tokens: the schema was accepted.
        return not reply.text or reply.text.lstrip().startswith("{")

    def _refused(self, error: openai.APIStatusError) -> NoReturn:
        if error.status_code in (401, 403):
            self._raise(
                f"{self.url} refuses the key (status {error.status_code}); "
                f"set {self._key_variable} to a valid one",
                error,
            )
        self._raise(
            f"{self.url} refuses to run model {self.model!r} "
            f"(status {error.status_code}): {_said(error)}; check the model's name and the server",
            error,
        )

    def _unreachable(self, error: openai.APIError) -> NoReturn:
        self._raise(
            f"no language model answers at {self.url} ({_root(error)}); start the server "
            f"(for example `vllm serve {self.model}`) or correct the URL in --llm",
            error,
        )

    def _failed(self, detail: str, error: Exception) -> NoReturn:
        raise TransportError(self._without_key(f"{self.url}: {detail}")) from self._cause(error)

    def _raise(self, message: str, error: Exception) -> NoReturn:
        raise UserError(self._without_key(message)) from self._cause(error)

    def _cause(self, error: Exception) -> Exception | None:
        """The error itself, unless the server has quoted the key in it."""
        return None if self._key and self._key in str(error) else error

    def _without_key(self, text: str) -> str:
        return text.replace(self._key, "***") if self._key else text


_JSON = {"Accept": "application/json"}


def open_openai(target: str, options: LLMOptions) -> OpenAILLM:
    """`openai:MODEL` (OpenAI's own server) or `openai:MODEL@URL`."""
    model, url = split_target(target)
    return OpenAILLM(
        model,
        url,
        key_variable=options.key_variable,
        timeout=options.timeout,
        retries=options.retries,
    )


def split_target(target: str) -> tuple[str, str | None]:
    """(model, URL or None) of `MODEL[@URL]`; a model's name may hold slashes and @.

    Raises:
        UserError: no model, or a URL without its scheme.
    """
    model, at, url = target.rpartition("@")
    if not at:
        model, url = target, ""
    elif "://" not in url:
        if model and _HOST_WITHOUT_SCHEME.match(url):
            raise UserError(
                f"--llm openai:{target}: {url!r} lacks its scheme; "
                f"write openai:{model}@http://{url}"
            )
        model, url = target, ""
    if not model:
        raise UserError(
            f"--llm openai:{target}: no model is named; write openai:MODEL@URL, for example "
            "openai:Qwen/Qwen2.5-7B-Instruct@http://localhost:8000/v1"
        )
    return model, url or None


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise UserError(f"{url!r} is no URL ({error}); write http://HOST:PORT/v1") from error
    if parts.password or parts.username:
        raise UserError(
            "the URL of the language model holds a user name or password; leave it out and put "
            "the key into OPENAI_API_KEY"
        )
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UserError(f"{url!r} is no URL of a server; write http://HOST:PORT/v1")


def _said(error: openai.APIStatusError) -> str:
    return " ".join(error.response.text.split())[:300] or "no reason given"


def _root(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error) or type(error).__name__

"""llama.cpp in process: any GGUF file, no server to start, nothing printed."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from focusgroup.agents.llm.chat import chat_body, read_reply
from focusgroup.agents.llm.options import LLMOptions
from focusgroup.agents.llm.protocol import (
    Capabilities,
    Completion,
    CompletionRequest,
    Message,
    TransportError,
)
from focusgroup.simulator.errors import UserError

from .filehash import file_sha256
from .grammar import compact_grammar
from .llama import LlamaServer, load_server
from .models import find_model
from .tokens import LlamaTokens

_CLOSED = "the embedded model is closed"


class EmbeddedLLM:
    """A GGUF model answered by llama.cpp, `slots` requests at a time; a `TokenCounter`.

    Greedy answers may still differ in the last bits with the slot and what its cache holds, so
    a run is repeatable through its journal.

    Args:
        model: the GGUF file.
        slots: requests answered at once; they share the cores.
        context: tokens a request may have, prompt and answer, in each slot.
        threads: cores to use; None for all this process may use.
        prompt_cache_mib: memory for the state of prompts that lost their slot.

    Raises:
        UserError: xllamacpp is not installed, or the file cannot be loaded.
    """

    def __init__(
        self,
        model: Path,
        *,
        slots: int = 2,
        context: int = 2048,
        threads: int | None = None,
        prompt_cache_mib: int = 256,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._fingerprint = f"{model.name}@sha256:{file_sha256(model)}"
        key = secrets.token_urlsafe(32)
        self._server: LlamaServer | None = load_server(
            model,
            slots=slots,
            context=context,
            threads=threads,
            prompt_cache_mib=prompt_cache_mib,
            key=key,
        )
        self._tokens = LlamaTokens(self._server.listening_address, key)
        self._pool = ThreadPoolExecutor(slots, thread_name_prefix="llama")
        self._clock = clock
        self._grammars: dict[str, str] = {}

    @property
    def fingerprint(self) -> str:
        return self._fingerprint

    async def complete(self, request: CompletionRequest) -> Completion:
        """Waits for a slot, then answers.

        Raises:
            TransportError: llama.cpp refused the request, say because it exceeds the context.
            UserError: the schema cannot be enforced.
        """
        body = chat_body(request)
        body["cache_prompt"] = True
        if request.schema is not None:
            body["grammar"] = self._grammar(request)
        if self._server is None:
            raise TransportError(_CLOSED)
        loop = asyncio.get_running_loop()
        completion = await loop.run_in_executor(self._pool, self._answer, body)
        if request.schema is not None and completion.finish_reason == "stop":
            _check_enforced(completion.text, request)
        return completion

    async def capabilities(self) -> Capabilities:
        """llama.cpp does both."""
        return Capabilities(json_schema=True, logprobs=True)

    def prompt_tokens(self, messages: Sequence[Message]) -> int:
        """Tokens of the prompt, exactly as `complete` reports them. Raises TransportError if the
        model is closed."""
        return len(self.prompt_ids(messages))

    def text_tokens(self, text: str) -> int:
        """Tokens of a text on its own. Raises TransportError if the model is closed."""
        return len(self._counter().text_ids(text))

    def prompt_ids(self, messages: Sequence[Message]) -> list[int]:
        """The prompt as the model reads it. Raises TransportError if the model is closed."""
        return self._counter().prompt_ids(messages)

    async def aclose(self) -> None:
        """Waits for the answers under way, drops those not begun, and frees the model."""
        await asyncio.to_thread(self._pool.shutdown, wait=True, cancel_futures=True)
        self._server = None

    def _counter(self) -> LlamaTokens:
        if self._server is None:
            raise TransportError(_CLOSED)
        return self._tokens

    def _answer(self, body: dict[str, object]) -> Completion:
        if self._server is None:
            raise TransportError(_CLOSED)
        started = self._clock()
        try:
            reply = self._server.handle_chat_completions(body)
        except (RuntimeError, ValueError) as error:
            raise TransportError(f"llama.cpp refused the request: {error}") from error
        if "error" in reply:
            raise TransportError(f"llama.cpp refused the request: {_reason(reply['error'])}")
        try:
            return read_reply(reply, self._clock() - started)
        except ValueError as error:
            raise TransportError(f"llama.cpp gave no chat completion: {error}") from error

    def _grammar(self, request: CompletionRequest) -> str:
        schema = request.schema or {}
        # The order of keys is the order of generation, so it is part of the schema here.
        text = json.dumps(schema)
        if text not in self._grammars:
            self._grammars[text] = compact_grammar(schema)
        return self._grammars[text]


def open_embedded(target: str, options: LLMOptions) -> EmbeddedLLM:
    """`embedded` (SmolLM2) or `embedded:MODEL`, where MODEL is what `models get` takes."""
    return EmbeddedLLM(
        find_model(target or "smollm2"),
        slots=options.slots,
        context=options.context,
        threads=options.threads,
    )


def _reason(error: object) -> str:
    if isinstance(error, dict):
        return str(error.get("message", error))
    return str(error)


def _check_enforced(text: str, request: CompletionRequest) -> None:
    """llama.cpp ignores a grammar it cannot compile, and says so only in the log."""
    try:
        json.loads(text)
    except ValueError as error:
        raise UserError(
            f"llama.cpp did not enforce the schema {json.dumps(request.schema)[:200]}; simplify it"
        ) from error

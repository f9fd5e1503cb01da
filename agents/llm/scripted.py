"""A language model whose answers you write yourself: for tests, examples and dry experiments."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from .protocol import Capabilities, Completion, CompletionRequest, Usage

Answer = Callable[[CompletionRequest], str | Completion]


class ScriptedLLM:
    """Answers every request with `answer(request)`.

    A text becomes a completion whose usage counts words; return a `Completion` to say more. An
    exception raised by `answer` (say a `TransportError`) reaches the caller as from a server.

    Args:
        delay: seconds to wait before each answer, as a server would.
        fingerprint: what journal keys are made with.

    Attributes:
        requests: every request so far, in order of arrival.
    """

    def __init__(
        self,
        answer: Answer,
        *,
        delay: float = 0.0,
        fingerprint: str = "scripted",
        json_schema: bool = True,
        logprobs: bool = True,
    ) -> None:
        self.requests: list[CompletionRequest] = []
        self.closed = False
        self._answer = answer
        self._delay = delay
        self._fingerprint = fingerprint
        self._capabilities = Capabilities(json_schema=json_schema, logprobs=logprobs)

    @property
    def fingerprint(self) -> str:
        return self._fingerprint

    @property
    def calls(self) -> int:
        """How many requests have come in."""
        return len(self.requests)

    async def complete(self, request: CompletionRequest) -> Completion:
        """What the script says to this request."""
        self.requests.append(request)
        await asyncio.sleep(self._delay)
        said = self._answer(request)
        if isinstance(said, Completion):
            return said
        prompt = sum(len(message.content.split()) for message in request.messages)
        return Completion(said, usage=Usage(prompt=prompt, completion=len(said.split())))

    async def capabilities(self) -> Capabilities:
        """As given at the start."""
        return self._capabilities

    async def aclose(self) -> None:
        """Marks the script as closed; nothing is held open."""
        self.closed = True

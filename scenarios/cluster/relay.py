"""Calls to a language model that are made by the shard whose user asked.

The relay stands in the model's place behind the head's journal and budget, which therefore work as
in a run of one process: known answers are not asked again, whichever shard asked first.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

from focusgroup.agents.llm import LLM, Capabilities, Completion, CompletionRequest, servers_away


class Asker(Protocol):
    """Somebody who wants an answer and can call the model for it."""

    async def call(self) -> Completion:
        """Raises what the model raises, and ShardLost."""
        ...


_asker: ContextVar[Asker | None] = ContextVar("asker", default=None)


@contextmanager
def on_behalf_of(asker: Asker) -> Iterator[None]:
    """Calls made in this block, and by tasks it starts, are made by `asker`."""
    token = _asker.set(asker)
    try:
        yield
    finally:
        _asker.reset(token)


class RelayLLM:
    """A model whose calls are made elsewhere if somebody elsewhere asked, else here."""

    def __init__(self, here: LLM) -> None:
        self._here = here

    @property
    def fingerprint(self) -> str:
        return self._here.fingerprint

    async def complete(self, request: CompletionRequest) -> Completion:
        asker = _asker.get()
        return await (self._here.complete(request) if asker is None else asker.call())

    async def capabilities(self) -> Capabilities:
        return await self._here.capabilities()

    def away(self) -> tuple[str, ...]:
        return servers_away(self._here)

    async def aclose(self) -> None:
        await self._here.aclose()

"""A language model behind a network: how to see whether it is there, and which failures pass."""

from __future__ import annotations

import hashlib
from typing import Protocol, runtime_checkable

from focusgroup.agents.llm.protocol import (
    LLM,
    Capabilities,
    CompletionRequest,
    TransportError,
    TransportKind,
)

_PASSING_KINDS = frozenset(
    {TransportKind.REFUSED, TransportKind.TIMEOUT, TransportKind.DROPPED, TransportKind.BUSY}
)
_PASSING_STATUS = frozenset({408, 409})
_NOT_IMPLEMENTED = 501


@runtime_checkable
class ServedLLM(LLM, Protocol):
    """A model on one server or several; `complete` asks once and does not ask again.

    Attributes:
        url: where it is, for messages.
    """

    @property
    def url(self) -> str: ...

    async def probe(self) -> Capabilities:
        """As `capabilities`, but raises TransportError where nobody answers."""
        ...

    async def ping(self, within: float) -> None:
        """Asks for one word. Raises TransportError if none comes within so many seconds."""
        ...

    async def waiting(self) -> int | None:
        """Requests that queue at the server, or None where it does not say."""
        ...


def passes(error: TransportError) -> bool:
    """Whether asking again may help: 408, 409, 429, 5xx, no connection, a broken one, no reply."""
    if error.kind in _PASSING_KINDS or error.status in _PASSING_STATUS:
        return True
    return error.status is not None and error.status >= 500 and error.status != _NOT_IMPLEMENTED


def persona_prefix(request: CompletionRequest) -> bytes:
    """What all calls of one person begin with, as a short hash: its first message."""
    first = request.messages[0].content if request.messages else ""
    return hashlib.blake2b(first.encode(errors="replace"), digest_size=8).digest()

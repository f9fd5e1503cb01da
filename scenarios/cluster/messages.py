"""What a shard and the head say to each other; everything here is pickled."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from focusgroup.agents.llm import Completion, CompletionRequest, LLMOptions, TransportError
from focusgroup.simulator import RunStopped, Session, SessionKey, UserError
from focusgroup.simulator.store import Stored


@dataclass(frozen=True, slots=True)
class Job:
    """A shard's share of a round.

    Attributes:
        finished: sessions of these users that need not be run.
        past: sessions of these users in earlier rounds, as `codec.to_table`; None in the first.
        concurrency: sessions in flight at once in this shard.
        model: what `--llm` says of the audience, "" if nobody is asked.
        options: of the model, as this shard opens it.
    """

    round: int
    seed: int
    user_ids: tuple[str, ...]
    finished: Mapping[SessionKey, Stored]
    retry_failed: bool
    concurrency: int
    past: pa.Table | None = None
    model: str = ""
    options: LLMOptions = field(default_factory=LLMOptions)


@dataclass(frozen=True, slots=True)
class Ask:
    """From a shard: an answer is wanted, from the journal or from the model."""

    call: int
    request: CompletionRequest


@dataclass(frozen=True, slots=True)
class Came:
    """From a shard: what came of a call to the model."""

    call: int
    outcome: Completion | Exception


@dataclass(frozen=True, slots=True)
class Ran:
    """From a shard: sessions that ended."""

    sessions: tuple[Session, ...]


@dataclass(frozen=True, slots=True)
class Ended:
    """From a shard: its share of the round is done, or something stopped it."""

    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class Halted:
    """From a shard that was told to stop: it has, and nothing follows."""


@dataclass(frozen=True, slots=True)
class Go:
    """From the head: call the model yourself."""

    call: int


@dataclass(frozen=True, slots=True)
class Answer:
    """From the head: what the journal holds, or why there is no answer."""

    call: int
    outcome: Completion | Exception


FromShard = Ask | Came | Ran | Ended | Halted
FromHead = Go | Answer


def portable(error: Exception) -> Exception:
    """The error as another process can raise it; what nobody expected keeps its traceback."""
    if type(error) in (UserError, RunStopped, TransportError):
        return error
    return RuntimeError("in a shard:\n" + "".join(traceback.format_exception(error)))

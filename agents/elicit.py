"""Getting an opinion out of a language model: one interface, two styles, one fresh attempt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from focusgroup.simulator.errors import FailureCause, TurnFailed
from focusgroup.simulator.noise import derive_seed
from focusgroup.simulator.protocols import Visit
from focusgroup.simulator.types import Opinion, Slate

from .llm.protocol import LLM, Completion, CompletionRequest, TransportError
from .memory import Memory
from .persona import Persona
from .prompt import Prompter
from .reply import ReplyError

Read = TypeVar("Read")
ATTEMPTS = 2  # the first, and one fresh one
NOBODY = Persona("nobody")  # asked to learn what a model says without a persona: its prior


@dataclass(frozen=True, slots=True)
class Elicited:
    """What the model said of a page.

    Attributes:
        opinion: its scores and stars, a slot each.
        bought: slots it would buy.
        satisfaction: in [0, 1], or None if the style does not ask.
        stays: whether it wants another page, or None if the style does not ask.
        completion_keys: journal keys of all completions asked, failed attempts included.
    """

    opinion: Opinion
    bought: frozenset[int] = frozenset()
    satisfaction: float | None = None
    stays: bool | None = None
    completion_keys: tuple[str, ...] = ()


class Elicitation(Protocol):
    """A style of asking."""

    @property
    def needs_logprobs(self) -> bool: ...

    async def ask(
        self,
        llm: LLM,
        prompter: Prompter,
        persona: Persona,
        memory: Memory,
        slate: Slate,
        visit: Visit,
    ) -> Elicited:
        """Raises TurnFailed if no usable answer came after a fresh attempt."""
        ...


async def ask_twice(
    llm: LLM, request: CompletionRequest, visit: Visit, read: Callable[[Completion], Read]
) -> tuple[Read, tuple[str, ...]]:
    """A completion read by `read`; a malformed one gets one fresh attempt, sampled anew.

    The second attempt raises the temperature: the likeliest tokens have just failed.

    Raises:
        TurnFailed: both attempts were malformed, or the server did not answer.
    """
    keys: list[str] = []
    problem = ReplyError(FailureCause.EMPTY, "never asked")
    for number in range(ATTEMPTS):
        attempt = visit.attempt * ATTEMPTS + number
        asked = request
        if attempt:
            temperature = max(request.temperature, 0.7)
            seed = derive_seed(request.seed, "attempt", attempt)
            asked = replace(request, attempt=attempt, temperature=temperature, seed=seed)
        keys.append(asked.key(llm.fingerprint))
        try:
            return read(await llm.complete(asked)), tuple(keys)
        except TransportError as error:
            cause = FailureCause(f"transport_{error.kind.value}")
            raise TurnFailed(cause, str(error), tuple(keys)) from error
        except ReplyError as error:
            problem = error
    raise TurnFailed(problem.cause, problem.detail, tuple(keys)) from problem

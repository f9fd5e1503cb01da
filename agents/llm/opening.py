"""A language model as a run asks it: opened by name, within a budget, behind the journal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from .budget import Budget, BudgetedLLM, Purse
from .journal.journal import Journal
from .journal.journaled import JournaledLLM, JournalMode
from .options import LLMOptions
from .protocol import LLM, Usage
from .registry import LLMSpec, open_llm

EMBEDDED_CONCURRENCY = 4
SERVER_CONCURRENCY = 64
# While one visit of a pair works out what comes next, the other's call keeps the place warm.
SESSIONS_A_CALL = 2


@dataclass(frozen=True, slots=True)
class Line:
    """What stands between a run and its language models.

    Attributes:
        budget: what all language models together may spend; `clock` (seconds) is needed for its
            time limit.
        spent: tokens that count as spent already.
        relay: puts something between the budget and the model: say, calls made on other machines.
        purse: what is left of it, for those who spend time without a language model.
    """

    journal: Journal
    mode: JournalMode = JournalMode.RECORD
    options: LLMOptions = field(default_factory=LLMOptions)
    budget: Budget = field(default_factory=Budget)
    clock: Callable[[], float] | None = None
    spent: Usage = field(default_factory=Usage)
    relay: Callable[[LLM], LLM] | None = None
    purse: Purse = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "purse", Purse(self.budget, clock=self.clock, spent=self.spent))

    def open(self, spec: LLMSpec) -> JournaledLLM:
        """The model, ready to be asked. Raises UserError as `open_llm`."""
        model = open_llm(spec, self.options)
        if self.relay is not None:
            model = self.relay(model)
        return JournaledLLM(BudgetedLLM(model, self.purse), self.journal, self.mode)


def usual_concurrency(spec: str) -> int:
    """Calls at once that keep the model named by `--llm SPEC` busy, as long as nothing is known of
    its server."""
    return EMBEDDED_CONCURRENCY if spec.startswith("embedded") else SERVER_CONCURRENCY


def sessions_in_flight(spec: str, options: LLMOptions) -> int:
    """Visits under way at once that keep the model named by `--llm SPEC` busy.

    How many calls go out is for each server's pace; there are always more visits than that.
    """
    if spec.startswith("embedded"):
        return EMBEDDED_CONCURRENCY
    return SESSIONS_A_CALL * options.concurrency

"""What a run has paid for before it is resumed: it counts against the budget of the whole run."""

from __future__ import annotations

from focusgroup.agents.llm import Budget, Journal, Usage

from .outcome import tokens_of
from .rundir import RunDirectory


def paid_before(directory: RunDirectory, journal: Journal, budget: Budget) -> Usage:
    """Tokens of earlier parts of this run; none where no limit asks for them.

    Of the run's own journal every completion counts, also those of visits that were cut short. In a
    journal shared with other runs only those behind this run's stored sessions can be told.
    """
    if budget.max_tokens is None and budget.max_cost is None:
        return Usage()
    if journal.path == directory.journal:
        return journal.totals().usage
    return tokens_of(directory.store(writing=False).sessions(), journal)

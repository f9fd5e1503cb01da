"""What a run has paid for before it is resumed: it counts against the budget of the whole run."""

from __future__ import annotations

from focusgroup.agents.llm import Budget, Journal, Line, Usage

from .outcome import tokens_of
from .rundir import RunDirectory


def paid_before(directory: RunDirectory, journal: Journal, budget: Budget, written: Usage) -> Usage:
    """Tokens of earlier parts of this run; none where no limit asks for them.

    They are what the manifest says, or more: a killed command wrote nothing. Then, of the run's
    own journal every completion counts; in one shared with other runs only those behind this run's
    stored sessions can be told.

    Args:
        written: as the manifest has it.
    """
    if budget.max_tokens is None and budget.max_cost is None:
        return Usage()
    if journal.path == directory.journal:
        return at_least(written, journal.totals().usage)
    return at_least(written, tokens_of(directory.store(writing=False).scan(), journal))


def at_least(one: Usage, other: Usage) -> Usage:
    """The larger of two counts of the same spending, figure by figure."""
    return Usage(
        max(one.prompt, other.prompt),
        max(one.completion, other.completion),
        max(one.cached, other.cached),
    )


def paid_now(written: Usage, line: Line) -> Usage:
    """What the manifest is to say after a command that asked through `line`."""
    before, spent = at_least(written, line.spent), line.purse.spent
    return Usage(
        before.prompt + spent.prompt - line.spent.prompt,
        before.completion + spent.completion - line.spent.completion,
        before.cached + spent.cached - line.spent.cached,
    )

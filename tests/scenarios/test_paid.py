"""What counts as paid when a run is resumed, by the limits it is resumed with."""

from __future__ import annotations

from pathlib import Path

import pytest

from focusgroup.agents.llm import Budget, Completion, Journal, Line, Usage
from focusgroup.scenarios.paid import paid_before, paid_now
from focusgroup.scenarios.rundir import RunDirectory
from focusgroup.simulator import Response, Session, SessionEnd, SessionKey, Slate, Turn
from focusgroup.simulator.types import NextPage


@pytest.mark.parametrize("limit", [{"max_tokens": 9}, {"max_cost": 1.0, "prompt_price": 1.0}])
@pytest.mark.parametrize("shared", [False, True])
def test_what_was_paid_counts_under_every_limit(
    tmp_path: Path, limit: dict[str, float], shared: bool
) -> None:
    directory = RunDirectory(tmp_path / "run")
    turn = Turn(0, Slate(("a",)), Response((NextPage(),), 0.5, completion_keys=("mine",)))
    key = SessionKey("all", "arm", "u", 0)
    directory.store(writing=True).append([Session(key, (turn,), SessionEnd.LIMIT)])
    path = tmp_path / "shared.sqlite" if shared else directory.journal
    with Journal(path) as journal:
        journal.put("mine", Completion("yes", usage=Usage(5, 2)))
        journal.put("another", Completion("yes", usage=Usage(70, 30)))
        # Of a journal shared with others, only what lies behind this run's visits is its own.
        expected = Usage(5, 2) if shared else Usage(75, 32)
        budget = Budget(**limit)  # type: ignore[arg-type]
        assert paid_before(directory, journal, budget, Usage()) == expected
        assert paid_before(directory, journal, Budget(max_seconds=9.0), Usage()) == Usage()
        # What the manifest says counts, too: calls that were lost are in no journal.
        assert paid_before(directory, journal, budget, Usage(900, 80)) == Usage(900, 80)


def test_what_is_paid_adds_up_over_commands(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal.sqlite") as journal:
        line = Line(journal, spent=Usage(100, 10))
        line.purse.spent = Usage(130, 12)
        # The command before was killed and wrote less than the journal tells.
        assert paid_now(Usage(60, 6), line) == Usage(130, 12)
        # Or it wrote more than the journal tells, of calls that were lost.
        assert paid_now(Usage(160, 16), line) == Usage(190, 18)

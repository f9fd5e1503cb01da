"""A run that ended, and all it came to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from focusgroup.agents.llm import Usage
from focusgroup.simulator import Session
from focusgroup.simulator.metrics.results import Results

from .certificates import find_certificates
from .experiment import Experiment
from .outcome import Spent, write_run_report
from .rundir import RunDirectory


# Without repr: asyncio.run writes out what its task returned when it puts the signal handler back.
@dataclass(frozen=True, slots=True, repr=False)
class FinishedRun:
    """A run that ended, with all it came to."""

    directory: RunDirectory
    name: str
    experiment: Experiment
    sessions: tuple[Session, ...]
    results: Results
    spent: Spent
    tokens: Usage

    def write_report(self, path: Path) -> None:
        """Write the HTML report. Raises UserError if the place is not writable."""
        write_run_report(
            self.experiment,
            self.sessions,
            self.results,
            self.name,
            self.tokens,
            path,
            find_certificates(self.directory.path),
        )

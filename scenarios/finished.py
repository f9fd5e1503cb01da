"""A run that ended, and all it came to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from focusgroup.agents.llm import Usage
from focusgroup.simulator import Session, SessionStore
from focusgroup.simulator.metrics.results import Results

from .certificates import find_certificates
from .experiment import Experiment
from .outcome import Spent, write_run_report
from .rundir import RunDirectory


# Without repr: asyncio.run writes out what its task returned when it puts the signal handler back.
@dataclass(frozen=True, slots=True, repr=False)
class FinishedRun:
    """A run that ended, with all it came to; its sessions stay in `store`."""

    directory: RunDirectory
    name: str
    experiment: Experiment
    store: SessionStore
    results: Results
    spent: Spent
    tokens: Usage

    @property
    def sessions(self) -> list[Session]:
        """All of them in memory, sorted by key, read from the store at every call."""
        return self.store.sessions()

    def write_report(self, path: Path) -> None:
        """Write the HTML report. Raises UserError if the place is not writable."""
        write_run_report(
            self.experiment,
            self.store.scan(),
            self.results,
            self.name,
            self.tokens,
            path,
            find_certificates(self.directory.path),
        )

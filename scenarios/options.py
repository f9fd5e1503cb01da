"""How a scenario is run, as opposed to what is run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from focusgroup.agents import BehaviourModel, OpinionWeight
from focusgroup.agents.llm import Budget, JournalMode, LLMOptions
from focusgroup.simulator import Catalog, RoundStart, Session

from .cluster.crew import Cluster
from .experiment import Experiment

Clock = Callable[[], str]
Progress = Callable[[Experiment, int], Callable[[Session], None]]


@dataclass(frozen=True, slots=True)
class Options:
    """How to run, as opposed to what.

    Attributes:
        journal: a shared journal's path, or None for the run's own.
        concurrency: most sessions in flight at once.
        seconds: a clock for the budget's time limit.
        progress: given the experiment and the sessions still to run, returns a hook per session.
        on_round_start, on_session_end: hooks of the simulation, for Python users.
        report: whether to write the HTML report at the end.
        cluster: where rounds are shared out, or None for this process.
        behaviour, weights: as in `Means`, from a run of the same data and users.
    """

    journal: Path | None = None
    mode: JournalMode = JournalMode.RECORD
    concurrency: int = 256
    llm: LLMOptions = field(default_factory=LLMOptions)
    budget: Budget = field(default_factory=Budget)
    seconds: Callable[[], float] | None = None
    folder: Path = field(default_factory=Path)
    retry_failed: bool = False
    progress: Progress | None = None
    on_round_start: Callable[[RoundStart], Catalog] | None = None
    on_session_end: Callable[[Session], None] | None = None
    report: bool = True
    cluster: Cluster | None = None
    behaviour: BehaviourModel | None = None
    weights: Mapping[str, OpinionWeight] = field(default_factory=dict)

"""An experiment: built objects, ready to run. No names to resolve, no files to find."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pandas as pd

from focusgroup.agents import BehaviourModel, OpinionWeight, Persona, Prompter
from focusgroup.agents.llm import JournaledLLM
from focusgroup.simulator import (
    Audience,
    Catalog,
    Recommender,
    Rules,
    Session,
    SessionStore,
    Simulation,
)
from focusgroup.simulator.round import RunRound, run_round
from focusgroup.simulator.simulation import RoundStart

from .calibration import Calibration
from .calibration_match import Mismatch
from .datasets import Dataset, UserSplit
from .scenario import AudienceSpec, Scenario


@dataclass(frozen=True, slots=True)
class Speaker:
    """The language model behind an audience, and what was learned of its opinion."""

    llm: JournaledLLM
    prompter: Prompter
    weight: OpinionWeight | None


@dataclass(frozen=True, slots=True)
class Room:
    """One audience, ready: its users, who they are, and who speaks for them.

    Attributes:
        personas: of every user, also where no language model reads them (tables by segment).
        held_out: user -> items liked in the held-out part of the log; empty for invented users.
    """

    spec: AudienceSpec
    audience: Audience
    personas: Mapping[str, Persona]
    held_out: Mapping[str, frozenset[str]]
    speaker: Speaker | None = None


@dataclass(slots=True)
class Experiment:
    """Everything `execute` needs, and everything a report tells of where it came from.

    Attributes:
        behaviour: the calibrated model, or None where no audience uses it.
        popularity: item -> number of users in the recommenders' training log who had it.
        calibration: the file `behaviour` was taken from, or None; mismatches: where it was made for
            other data or other users.
        on_round_start, on_session_end: hooks of the simulation.
    """

    scenario: Scenario
    dataset: Dataset
    split: UserSplit
    catalog: Catalog
    training: pd.DataFrame
    arms: Mapping[str, Recommender]
    rooms: tuple[Room, ...]
    behaviour: BehaviourModel | None
    popularity: Mapping[str, int]
    calibration: Calibration | None = None
    mismatches: tuple[Mismatch, ...] = ()
    on_round_start: Callable[[RoundStart], Catalog] | None = None
    hooks: list[Callable[[Session], None]] = field(default_factory=list)

    def planned_sessions(self) -> int:
        """How many visits the whole run has."""
        users = sum(len(room.audience.user_ids) for room in self.rooms)
        return users * len(self.arms) * self.scenario.rounds

    async def execute(
        self,
        store: SessionStore,
        *,
        concurrency: int = 256,
        retry_failed: bool = False,
        run_round: RunRound = run_round,
    ) -> int:
        """Run what the store does not hold yet; returns how many sessions that were.

        Args:
            run_round: how a round is run: here, or shared out over processes.
        """

        def ended(session: Session) -> None:
            for hook in self.hooks:
                hook(session)

        scenario = self.scenario
        simulation = Simulation(
            arms=self.arms,
            audiences=[room.audience for room in self.rooms],
            catalog=self.catalog,
            rules=rules_of(scenario, self.dataset),
            rounds=scenario.rounds,
            seed=scenario.seed,
            concurrency=concurrency,
            retrain=scenario.retrain,
            log=self.training,
            items=self.dataset.items,
            users=self.dataset.users,
            store=store,
            on_session_end=ended,
            run_round=run_round,
        )
        if self.on_round_start is not None:
            simulation.on_round_start = self.on_round_start
        return await simulation.run(retry_failed=retry_failed)

    async def aclose(self) -> None:
        """Close the language models."""
        for llm in self.models():
            await llm.aclose()

    def models(self) -> list[JournaledLLM]:
        """The language models of all audiences, each once."""
        speaking = [room.speaker.llm for room in self.rooms if room.speaker is not None]
        return list({id(llm): llm for llm in speaking}.values())


def rules_of(scenario: Scenario, dataset: Dataset) -> Rules:
    """The rules of every visit."""
    page = scenario.page
    return Rules(
        k=page.k,
        max_pages=page.pages,
        exclude_history=page.exclude_history,
        exclude_shown=page.exclude_shown,
        like_stars=dataset.domain.like_stars,
    )

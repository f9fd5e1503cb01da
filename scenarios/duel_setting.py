"""Where duels come from: a scenario or a run, the people of its audiences, and their first pages.

Pages are those of a run: a simulation of one round and one page is run, with users who look and
leave, so that every recommender is fitted, asked and checked as it is in a run.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from focusgroup.agents.llm import Journal, JournalMode, Line
from focusgroup.simulator import (
    Leave,
    LeaveReason,
    MemoryStore,
    Response,
    Slate,
    UserError,
    Visit,
)
from focusgroup.simulator.errors import did_you_mean

from .build import Means, build
from .duels import Pages
from .experiment import Experiment, Room
from .library import find_scenario, library_names
from .overrides import override
from .rundir import MANIFEST, Manifest, RunDirectory
from .scenario import AudienceSpec, Scenario, scenario_from

_ANSWER = ("llm", "behaviour")  # agents that can say which of two pages they prefer


@dataclass(frozen=True, slots=True)
class DuelSource:
    """What is to be compared, before anything is loaded.

    Attributes:
        folder: where relative paths and recommenders are looked for.
        default_out: where results go unless told otherwise.
        fingerprint: of the data of the run that is looked at, or "".
    """

    name: str
    scenario: Scenario
    folder: Path
    default_out: Path
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class DuelRoom:
    """One audience: who they are (`room`), how they answer (`spec`), what each arm shows them."""

    spec: AudienceSpec
    room: Room
    pages: Pages

    @property
    def name(self) -> str:
        return self.room.audience.name


@dataclass(frozen=True, slots=True)
class DuelSetting:
    """Everything duels need, except a language model.

    Attributes:
        left_out: audiences whose agents cannot compare pages: name -> agent.
    """

    source: DuelSource
    experiment: Experiment
    rooms: tuple[DuelRoom, ...]
    left_out: Mapping[str, str]

    def baseline(self) -> str:
        """The arm others are compared with: the scenario's, else popularity, else the first."""
        arms = tuple(self.experiment.arms)
        named = self.source.scenario.baseline
        return named or ("popularity" if "popularity" in arms else arms[0])


def duel_source(
    target: str,
    *,
    runs: Path,
    users: int | None = None,
    llm: str | None = None,
    seed: int | None = None,
) -> DuelSource:
    """From a run directory, a scenario file or a name of the library.

    Args:
        runs: where results of scenarios go by default.
        users: of every audience; of a run, at most as many as it has.
        llm: asks this model; where no audience has one, it answers for those of the behaviour
            model. ``none``: the behaviour model alone.

    Raises:
        UserError: neither a run nor a scenario, or a change that does not fit it.
    """
    path = Path(target)
    if path.is_dir():
        manifest = RunDirectory.existing(path).read()
        scenario = _of_run(path, manifest, users, seed)
        source = DuelSource(
            manifest.name, scenario, Path(manifest.folder), path / "duel",
            manifest.dataset_fingerprint,
        )  # fmt: skip
    else:
        if not path.exists() and not path.suffix and target not in library_names():
            known = [str(place.parent) for place in runs.glob(f"*/{MANIFEST}")]
            raise UserError(
                f"no run or scenario {target!r}: no folder, no file, and not in the library."
                f"{did_you_mean(target, [*known, *library_names()])}"
            )
        name, scenario = find_scenario(target)
        folder = path.parent if path.exists() else Path()
        source = DuelSource(name, scenario, folder, runs / f"{name}-duel")
    speaking = any(spec.agent == "llm" for spec in scenario.audiences.values())
    if llm not in (None, "none") and not speaking:
        scenario = _spoken_for(scenario, str(llm))
    return replace(source, scenario=override(scenario, seed=seed, users=users, llm=llm))


async def set_duels(source: DuelSource) -> DuelSetting:
    """Load, split, fit, and let every recommender show its first page. No model is asked.

    Raises:
        UserError: the scenario or its surroundings are wrong, or nobody in it can compare pages.
    """
    audiences = source.scenario.audiences
    asked = {name: spec for name, spec in audiences.items() if spec.agent in _ANSWER}
    left_out = {n: spec.agent for n, spec in audiences.items() if spec.agent not in _ANSWER}
    if not asked:
        agents = ", ".join(sorted(set(left_out.values())))
        raise UserError(
            f"{source.name}: audiences of agent {agents} cannot say which of two pages they"
            " prefer; give --llm MODEL, or an audience of agent: behaviour"
        )
    if len(source.scenario.recommenders) < 2:
        raise UserError(f"{source.name}: a duel needs at least two recommenders")
    # Whoever speaks is silent for now: the pages do not depend on it, and no model is opened.
    silent = {
        name: spec.model_copy(update={"agent": "random"}) if spec.agent == "llm" else spec
        for name, spec in asked.items()
    }
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder) / "journal.sqlite")
        try:
            means = Means(Line(journal, JournalMode.REPLAY), source.folder)
            scenario = source.scenario.model_copy(update={"audiences": silent})
            experiment = await build(scenario, means)
        finally:
            journal.close()
    if source.fingerprint and experiment.dataset.fingerprint != source.fingerprint:
        raise UserError(
            f"run {source.name!r}: the data has changed since the run was started; bring the old"
            " data back, or give the scenario instead of the run"
        )
    pages = await first_pages(experiment)
    rooms = tuple(
        DuelRoom(asked[room.audience.name], room, pages[room.audience.name])
        for room in experiment.rooms
    )
    return DuelSetting(source, experiment, rooms, left_out)


async def first_pages(experiment: Experiment) -> dict[str, Pages]:
    """Audience -> what each arm shows each user on the first page of round 0."""
    scenario = experiment.scenario
    once = scenario.model_copy(
        update={"rounds": 1, "page": scenario.page.model_copy(update={"pages": 1})}
    )
    looking = tuple(
        replace(room, audience=replace(room.audience, agent=_Passerby(), concurrency=None))
        for room in experiment.rooms
    )
    looked = replace(experiment, scenario=once, rooms=looking, hooks=[])
    store = MemoryStore()
    await looked.execute(store)
    shown = {
        (s.key.audience, s.key.user_id, s.key.arm): s.turns[0].slate
        for s in store.scan()
        if s.turns
    }
    return {
        room.audience.name: {
            user_id: {
                arm: None if (slate := shown.get((room.audience.name, user_id, arm))) is None
                else slate.item_ids
                for arm in experiment.arms
            }
            for user_id in room.audience.user_ids
        }
        for room in experiment.rooms
    }  # fmt: skip


class _Passerby:
    """Looks at one page and leaves."""

    def respond_many(self, slates: Sequence[Slate], visits: Sequence[Visit]) -> list[Response]:
        return [
            Response((Leave(LeaveReason.BORED),), 0.0) for _ in zip(slates, visits, strict=True)
        ]


def _of_run(path: Path, manifest: Manifest, users: int | None, seed: int | None) -> Scenario:
    if seed is not None:
        raise UserError(f"--seed: {path} is a run and has its seed; give the scenario instead")
    scenario = manifest.read_scenario()
    fewest = min(spec.users for spec in scenario.audiences.values())
    if users is not None and users > fewest:
        raise UserError(
            f"--users {users}: an audience of {path} has {fewest}; ask for at most as many, or give"
            " the scenario instead"
        )
    return scenario


def _spoken_for(scenario: Scenario, llm: str) -> Scenario:
    """The language model answers for the audiences of the behaviour model."""
    raw = scenario.model_dump(mode="json", exclude_unset=True)
    silent = [name for name, spec in scenario.audiences.items() if spec.agent == "behaviour"]
    if not silent:
        agents = {spec.agent for spec in scenario.audiences.values()}
        raise UserError(f"--llm: no audience it could answer for, only {', '.join(sorted(agents))}")
    for name in silent:
        raw["audiences"][name] = {**raw["audiences"][name], "agent": "llm", "llm": llm}
    return scenario_from(raw, "after the command line's changes, scenario")

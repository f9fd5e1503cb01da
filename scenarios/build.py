"""Names to objects: a scenario becomes an experiment."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from focusgroup.agents import Assumed, BehaviourModel, OpinionWeight, fit_behaviour
from focusgroup.agents.llm import Line
from focusgroup.recommenders import load_recommender, make_recommender
from focusgroup.simulator import Recommender, RecRequest, Slate, UserError
from focusgroup.simulator.metrics import metric_named
from focusgroup.simulator.noise import derive_seed

from .calibration import Calibration, read_calibration
from .calibration_match import data_mismatches
from .datasets import Dataset, load_dataset, split_history, split_users
from .experiment import Experiment, rules_of
from .rooms import RoomBuilder
from .scenario import Scenario


@dataclass(frozen=True, slots=True)
class Means:
    """What a run is given besides its scenario.

    Attributes:
        line: how language models are asked.
        folder: where `module:Class` recommenders and relative paths are looked for.
        recorded: audience -> fingerprint of the model that answered. If given, the experiment is
            for looking at what a run has stored: no model is opened and no recommender is made.
        calibration: used instead of reading the scenario's `calibration` file.
        behaviour: fitted before on the same data and users; it takes on the scenario's `assumed`.
        weights: audience -> weight of its opinions, where known; it is not learned again.
        on_opinion: called with (answered, of how many) while a weight is learned.
    """

    line: Line
    folder: Path = field(default_factory=Path)
    recorded: Mapping[str, str] | None = None
    calibration: Calibration | None = None
    behaviour: BehaviourModel | None = None
    weights: Mapping[str, OpinionWeight] = field(default_factory=dict)
    on_opinion: Callable[[int, int], None] | None = None


async def build(
    scenario: Scenario,
    means: Means,
    *,
    dataset: Dataset | None = None,
    recommenders: Mapping[str, Recommender] | None = None,
) -> Experiment:
    """An experiment from a scenario.

    Args:
        dataset: used instead of loading `scenario.data.name`.
        recommenders: ready objects by arm; other arms of the scenario are made by name.

    Raises:
        UserError: anything in the scenario that names nothing, fits nothing, or is out of reach.
    """
    metric_named(scenario.primary)
    data = scenario.data
    dataset = dataset or dataset_of(scenario, means.folder)
    catalog = dataset.catalog()
    _check_page(scenario, dataset)
    arms = _arms(scenario, recommenders or {}, means)
    split = split_users(
        dataset,
        seed=scenario.seed,
        training=data.split.training,
        calibration=data.split.calibration,
        audience=data.split.audience,
        min_history=data.min_history,
        held_out=data.held_out,
    )
    history, held_out = split_history(dataset, held_out=data.held_out, seed=scenario.seed)
    training = dataset.interactions[dataset.interactions["user_id"].isin(set(split.training))]
    calibration = _calibration(scenario, means)
    behaviour = means.behaviour or _behaviour(
        scenario, dataset, history, held_out, split.calibration
    )
    if behaviour is not None:
        assumed = Assumed(**scenario.assumed.model_dump())
        behaviour = replace(behaviour, assumed=assumed)
        behaviour = calibration.apply(behaviour) if calibration is not None else behaviour
    builder = RoomBuilder(
        scenario, means, dataset, catalog, split, history, held_out, behaviour, calibration
    )
    try:
        rooms = tuple([await builder.build(name) for name in scenario.audiences])
    except BaseException:
        await builder.aclose()
        raise
    return Experiment(
        scenario=scenario,
        dataset=dataset,
        split=split,
        catalog=catalog,
        training=training.reset_index(drop=True),
        arms=arms,
        rooms=rooms,
        behaviour=behaviour,
        popularity={
            str(i): int(n) for i, n in training.groupby("item_id")["user_id"].nunique().items()
        },
        calibration=calibration,
        mismatches=()
        if calibration is None
        else data_mismatches(calibration, scenario, dataset, split),
    )


def _calibration(scenario: Scenario, means: Means) -> Calibration | None:
    if means.calibration is not None or scenario.calibration is None:
        return means.calibration
    return read_calibration(means.folder / scenario.calibration)


def dataset_of(scenario: Scenario, folder: Path) -> Dataset:
    """The dataset a scenario in `folder` names. Raises UserError."""
    return load_dataset(_beside(folder, scenario.data.name), scenario.data.dir)


def _beside(folder: Path, name: str) -> str:
    """A path in a scenario is meant from where the scenario lies, if there is such a file."""
    path = folder / name
    return str(path) if path.exists() and not Path(name).exists() else name


def _check_page(scenario: Scenario, dataset: Dataset) -> None:
    if scenario.page.k > len(dataset.items):
        raise UserError(
            f"page.k: pages of {scenario.page.k} items, but dataset {dataset.domain.name!r} has"
            f" {len(dataset.items)}; set page.k to at most {len(dataset.items)}"
        )
    rules_of(scenario, dataset)


def _arms(
    scenario: Scenario, ready: Mapping[str, Recommender], means: Means
) -> dict[str, Recommender]:
    if scenario.baseline is not None and scenario.baseline not in scenario.recommenders:
        raise UserError(f"baseline: {scenario.baseline!r} is no recommender of this scenario")
    arms: dict[str, Recommender] = {}
    for name, spec in scenario.recommenders.items():
        use, seed = spec.use or name, scenario.seed
        if means.recorded is not None:
            arms[name] = _Absent()
        elif name in ready:
            arms[name] = ready[name]
        elif ":" in use:
            arms[name] = load_recommender(use, spec.params, seed=seed, folder=means.folder)
        else:
            arms[name] = make_recommender(use, spec.params, seed=seed)
    return arms


class _Absent:
    """Holds the place of an arm whose slates are only looked at."""

    def recommend(self, requests: Sequence[RecRequest]) -> Sequence[Slate]:
        raise UserError(f"this run is only looked at; {len(requests)} requests came")


def _behaviour(
    scenario: Scenario,
    dataset: Dataset,
    history: pd.DataFrame,
    held_out: pd.DataFrame,
    calibration: tuple[str, ...],
) -> BehaviourModel | None:
    wanted = any(
        spec.agent == "behaviour" or spec.decision == "pooled"
        for spec in scenario.audiences.values()
    )
    if not wanted:
        return None
    return fit_behaviour(
        history,
        held_out,
        calibration,
        dataset.catalog(),
        dataset.domain,
        seed=derive_seed(scenario.seed, "behaviour"),
    )

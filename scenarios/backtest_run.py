"""A backtest from start to end: plan, run, predict, and only then look at what came out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from focusgroup.simulator import Session, UserError

from .backtest import BacktestSpec, observed_of, questions_of
from .backtest_plan import AUDIENCE, Part, Plan, plan_backtest
from .backtest_predict import Met, predict
from .backtest_score import BacktestResult, score
from .backtest_text import backtest_json
from .batch import resume_run, start_run
from .datasets import Dataset, load_dataset
from .finished import FinishedRun
from .options import Clock, Options
from .outcome import model_facts, versions
from .rundir import MANIFEST, RunDirectory
from .scenario import AudienceSpec

RESULT = "backtest.json"


@dataclass(frozen=True, slots=True)
class FinishedBacktest:
    """A backtest that ended.

    Attributes:
        audience: who answered, in words. json: what was written to `RESULT`.
    """

    result: BacktestResult
    runs: tuple[FinishedRun, ...]
    audience: str
    json: str


def changed(
    spec: BacktestSpec,
    *,
    users: int | None = None,
    llm: str | None = None,
    style: str | None = None,
    seed: int | None = None,
) -> BacktestSpec:
    """The tests with another audience.

    Args:
        llm: lets this language model answer, its opinion weighed into the behaviour model;
            ``none`` lets the behaviour model alone answer.
        style: of the language model.

    Raises:
        UserError: a style without a language model.
    """
    audience = spec.audience.model_dump(exclude_unset=True)
    if llm == "none":
        audience = {"agent": "behaviour", "users": spec.audience.users}
    elif llm is not None:
        if spec.audience.agent != "llm":
            audience = {"agent": "llm", "users": spec.audience.users, "decision": "pooled"}
        audience["llm"] = llm
    if style is not None:
        if audience.get("agent", "llm") != "llm":
            raise UserError("--style: no language model answers here; name one with --llm")
        if style not in ("answer", "score"):
            raise UserError(f"--style: {style!r} is neither answer nor score")
        audience["style"] = style
    if users is not None:
        audience["users"] = users
    audience.setdefault("users", spec.audience.users)
    updated: dict[str, object] = {"audience": AudienceSpec.model_validate(audience)}
    if seed is not None:
        updated["seed"] = seed
    return spec.model_copy(update=updated)


def open_plan(
    spec: BacktestSpec, path: Path, out: Path, dataset: Dataset | None = None
) -> tuple[Plan, Dataset]:
    """What has to be run, and the data. Raises UserError: something in the tests is wrong."""
    beside = path.parent / spec.data.name
    name = str(beside) if beside.exists() and not Path(spec.data.name).exists() else spec.data.name
    dataset = dataset or load_dataset(name, spec.data.dir)
    return plan_backtest(spec, questions_of(spec), path, dataset, out), dataset


def run_backtest(
    spec: BacktestSpec,
    path: Path,
    out: Path,
    options: Options,
    clock: Clock,
    began: Callable[[Part], None] | None = None,
    *,
    dataset: Dataset | None = None,
) -> FinishedBacktest:
    """Run what is not stored in `out` yet, predict, compare, and write `RESULT` there.

    Args:
        path: of the file of tests. options: `folder` is its folder.
        began: called before each run.
        dataset: used instead of loading what the tests name.

    Raises:
        UserError: something in the tests is wrong, or `out` holds something else.
        RunStopped: a budget is spent; the same call goes on from there.
    """
    plan, dataset = open_plan(spec, path, out, dataset)
    runs = []
    for part in plan.parts:
        if began is not None:
            began(part)
        runs.append(_run(part, out / part.name, options, clock, dataset))
    met = _met(runs)
    predictions = predict(questions_of(spec), plan.arms, met, seed=spec.seed)
    result = score(predictions, observed_of(spec), seed=spec.seed)
    first = runs[0].experiment
    audience = model_facts(first, first.rooms[0]).model
    text = backtest_json(
        result, seed=spec.seed, dataset=dataset.fingerprint, audience=audience, versions=versions()
    )
    (out / RESULT).write_text(text, encoding="utf-8")
    return FinishedBacktest(result, tuple(runs), audience, text)


def _run(part: Part, folder: Path, options: Options, clock: Clock, dataset: Dataset) -> FinishedRun:
    directory = RunDirectory(folder)
    if (folder / MANIFEST).exists():
        if directory.read().read_scenario() != part.scenario:
            raise UserError(f"{folder} holds a run of other tests; choose another --out.")
        return resume_run(directory, options, clock, dataset=dataset)
    directory = RunDirectory.fresh(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    if part.members_file is not None:
        part.members_file.write_text("\n".join(part.members) + "\n", encoding="utf-8")
    name = f"{folder.parent.name}/{part.name}"
    return start_run(part.scenario, directory, name, options, clock, dataset=dataset)


def _met(runs: list[FinishedRun]) -> Met:
    sessions: dict[str, list[Session]] = {}
    held_out: dict[str, frozenset[str]] = {}
    for run in runs:
        for session in run.store.sessions(audience=AUDIENCE):
            sessions.setdefault(session.key.arm, []).append(session)
        for room in run.experiment.rooms:
            held_out.update(room.held_out)
    first = runs[0].experiment
    return Met(sessions, first.catalog, held_out, first.popularity)

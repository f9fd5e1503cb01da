"""A sweep on disk: a run for each setting under RUN/sweep/NAME, what they came to in sweep.json."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from focusgroup.agents.llm import JournalMode
from focusgroup.simulator import UserError
from focusgroup.simulator.metrics import metric_named
from focusgroup.simulator.metrics.results import Estimate, Results

from .batch import remove_traces, resume_run, start_run
from .build import dataset_of
from .calibration import read_calibration
from .datasets import Dataset
from .datasets.strict_yaml import validated
from .finished import FinishedRun
from .options import Clock, Options
from .outcome import results_of
from .rundir import MANIFEST, SWEEP, RunDirectory, write_state
from .scenario import Scenario, scenario_from
from .sweep import (
    DEFAULT,
    Setting,
    Standing,
    SweepRow,
    conclusion,
    leader,
    row_of,
    settings_of,
    swept_audiences,
)

FORMAT = 1
OnSetting = Callable[[Setting, int], None]


class _Estimate(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    mean: float
    low: float
    high: float
    n: int


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    setting: str
    parameter: str
    told: str
    audience: str
    winner: str
    against: str
    difference: _Estimate
    standing: Standing


class _File(BaseModel):
    """sweep.json. `rows` and `conclusion` grow as settings end."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    format: int
    scenario: dict[str, JsonValue]
    folder: str
    journal: str
    journal_mode: JournalMode
    dataset_fingerprint: str
    calibration_fingerprint: str
    metric: str
    left_out: dict[str, str]
    rows: list[_Row] = Field(default_factory=list)
    conclusion: list[str] = Field(default_factory=list)
    finished: bool = False


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep came to.

    Attributes:
        left_out: audience or parameter -> why it was not swept.
        conclusion: a sentence an audience.
    """

    path: Path
    scenario: Scenario
    rows: tuple[SweepRow, ...]
    left_out: dict[str, str]
    conclusion: tuple[str, ...]


def sweep(
    scenario: Scenario,
    path: Path,
    options: Options,
    clock: Clock,
    *,
    on_setting: OnSetting | None = None,
) -> Swept:
    """Run every setting of the assumed parameters; settings that ended before are not run again.

    Args:
        on_setting: called before a setting is run, with how many are left, itself included.

    Raises:
        UserError: no audience depends on them, the folder holds something else, or as `start_run`.
        RunStopped, KeyboardInterrupt: what is stored can be gone on with.
    """
    audiences, left_out = swept_audiences(scenario)
    if not audiences:
        raise UserError(
            "--sweep assumed: no audience of this scenario depends on the assumed parameters; those"
            " with `agent: behaviour` or `decision: pooled` do"
        )
    metric_named(scenario.primary)
    if not (path / SWEEP).exists():
        RunDirectory.fresh(path)
    dataset = dataset_of(scenario, options.folder)
    settings, idle = settings_of(scenario, dataset.domain)
    wanted = _File(
        format=FORMAT,
        scenario=scenario.model_dump(mode="json"),
        folder=str(options.folder.resolve()),
        journal="" if options.journal is None else str(options.journal.resolve()),
        journal_mode=options.mode,
        dataset_fingerprint=dataset.fingerprint,
        calibration_fingerprint=_calibration(scenario, options.folder),
        metric=scenario.primary,
        left_out={**left_out, **idle},
    )
    existed = path.exists()
    with RunDirectory(path).locked():
        if (path / SWEEP).exists():
            begun = _begun(path, wanted)
        else:
            begun = wanted
            _write(path, begun)
        narrowed = scenario.model_copy(update={"audiences": audiences})
        try:
            return _Work(path, narrowed, settings, dataset, options, clock, on_setting).all(begun)
        except UserError:
            if not any((path / "sweep").glob("*/*")):
                _remove(path, existed)
            raise


def _remove(path: Path, existed: bool) -> None:
    """What a sweep that never began left in its folder."""
    (path / SWEEP).unlink(missing_ok=True)
    for folder in (*(path / "sweep").glob("*"), path / "sweep"):
        if folder.is_dir():
            folder.rmdir()
    remove_traces(path, existed)


def resume_sweep(
    path: Path, options: Options, clock: Clock, *, on_setting: OnSetting | None = None
) -> Swept:
    """Go on with a sweep that was interrupted. Raises UserError as `sweep`."""
    file = _read(path)
    options = replace(
        options,
        journal=Path(file.journal) if file.journal else None,
        mode=file.journal_mode,
        folder=Path(file.folder),
    )
    scenario = scenario_from(file.scenario, f"{path / SWEEP}: scenario")
    return sweep(scenario, path, options, clock, on_setting=on_setting)


def _calibration(scenario: Scenario, folder: Path) -> str:
    if scenario.calibration is None:
        return ""
    return read_calibration(folder / scenario.calibration).fingerprint


def _begun(path: Path, wanted: _File) -> _File:
    found = _read(path)
    for what, before, now in (
        ("its scenario", found.scenario, wanted.scenario),
        ("its data", found.dataset_fingerprint, wanted.dataset_fingerprint),
        ("its calibration", found.calibration_fingerprint, wanted.calibration_fingerprint),
    ):
        if before != now:
            raise UserError(
                f"{path} holds a sweep, and {what} was another; choose another --out, or go on"
                f" with that one: focusgroup resume {path}"
            )
    return found


def _read(path: Path) -> _File:
    try:
        raw = json.loads((path / SWEEP).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path / SWEEP}: not a sweep: {error}") from error
    if isinstance(raw, dict) and raw.get("format") != FORMAT:
        raise UserError(f"{path / SWEEP}: this version reads sweeps of format {FORMAT}")
    return validated(raw, _File, str(path / SWEEP))


def _write(path: Path, file: _File) -> None:
    write_state(
        path / SWEEP, json.dumps(file.model_dump(mode="json"), indent=2, ensure_ascii=False)
    )


@dataclass(slots=True)
class _Work:
    """The runs of a sweep, one after the other."""

    path: Path
    scenario: Scenario
    settings: tuple[Setting, ...]
    dataset: Dataset
    options: Options
    clock: Clock
    on_setting: OnSetting | None

    def all(self, file: _File) -> Swept:
        rows = [_row(row) for row in file.rows]
        done = {row.setting for row in rows}
        journal = self.options.journal or self.path / "journal.sqlite"
        self.options = replace(self.options, journal=journal, report=False)
        left = [setting for setting in self.settings if setting.name not in done]
        for number, setting in enumerate(left):
            if self.on_setting is not None:
                self.on_setting(setting, len(left) - number)
            rows += self._rows(setting, self._run(setting), rows)
            file = file.model_copy(update={"rows": [_Row.model_validate(asdict(r)) for r in rows]})
            _write(self.path, file)
        told = tuple(conclusion(rows, audience) for audience in self.scenario.audiences)
        if not file.finished:
            _write(self.path, file.model_copy(update={"conclusion": list(told), "finished": True}))
        return Swept(self.path, self.scenario, tuple(rows), dict(file.left_out), told)

    def _run(self, setting: Setting) -> FinishedRun:
        directory = RunDirectory(self.path / "sweep" / setting.name)
        if (directory.path / MANIFEST).exists():
            run = resume_run(directory, self.options, self.clock, dataset=self.dataset)
        else:
            scenario = self.scenario.model_copy(update={"assumed": setting.assumed})
            run = start_run(
                scenario,
                RunDirectory.fresh(directory.path),
                f"{self.path.name}/{setting.name}",
                self.options,
                self.clock,
                dataset=self.dataset,
            )
        # Nothing that is assumed changes what was fitted: the next settings need not fit it again.
        weights = directory.read().read_weights()
        self.options = replace(self.options, behaviour=run.experiment.behaviour, weights=weights)
        return run

    def _rows(self, setting: Setting, run: FinishedRun, before: list[SweepRow]) -> list[SweepRow]:
        metric = metric_named(self.scenario.primary)
        found = []
        for audience in self.scenario.audiences:
            winner = next(
                (r.winner for r in before if r.audience == audience and r.setting == DEFAULT),
                leader(run.results, audience, metric),
            )
            against = _compared_with(run, winner)
            found.append(row_of(setting, audience, against, winner, metric))
        return found


def _compared_with(run: FinishedRun, baseline: str) -> Results:
    if run.results.comparison.baseline == baseline:
        return run.results
    scenario = run.experiment.scenario.model_copy(update={"baseline": baseline})
    return results_of(replace(run.experiment, scenario=scenario), run.store.scan())


def _row(row: _Row) -> SweepRow:
    plain = row.model_dump()
    return SweepRow(**{**plain, "difference": Estimate(**plain["difference"])})

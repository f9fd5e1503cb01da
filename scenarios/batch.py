"""A run on disk, from start or resumed: build, simulate with progress, report."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TypedDict

from pydantic import JsonValue

from focusgroup.agents.llm import Journal, JournalMode, Line, Usage
from focusgroup.agents.llm.journal.file import discard_unpaid
from focusgroup.simulator import Recommender, SessionStore, UserError
from focusgroup.simulator.whole_file import TORN

from .build import Means, build
from .calibration import read_calibration
from .calibration_fields import to_plain
from .cluster.relay import RelayLLM
from .cluster.rounds import rounds_of
from .datasets import Dataset
from .experiment import Experiment
from .finished import FinishedRun
from .options import Clock, Options
from .outcome import results_of, spent, tokens_of, versions
from .paid import paid_before, paid_now
from .rundir import MANIFEST, Manifest, RunDirectory
from .scenario import Scenario


class _Learned(TypedDict, total=False):
    """What a manifest says of how the users were calibrated."""

    weights: dict[str, dict[str, JsonValue]]
    calibration: dict[str, JsonValue]
    calibration_fingerprint: str


def start_run(
    scenario: Scenario,
    directory: RunDirectory,
    name: str,
    options: Options,
    clock: Clock,
    *,
    dataset: Dataset | None = None,
    recommenders: Mapping[str, Recommender] | None = None,
) -> FinishedRun:
    """Run a scenario in a fresh directory.

    Raises:
        UserError: before anything is simulated, if the scenario or its surroundings are wrong.
        RunStopped: a budget is spent; what is stored can be resumed.
        KeyboardInterrupt: likewise.
    """

    async def work(journal: Journal) -> FinishedRun:
        means = _means(directory, options, journal, Usage())
        experiment = await build(scenario, means, dataset=dataset, recommenders=recommenders)
        manifest = Manifest(
            name=name,
            scenario=scenario.model_dump(mode="json"),
            journal="" if options.journal is None else str(options.journal.resolve()),
            journal_mode=options.mode.value,
            folder=str(options.folder.resolve()),
            dataset_fingerprint=experiment.dataset.fingerprint,
            split={
                "training": list(experiment.split.training),
                "calibration": list(experiment.split.calibration),
                "audience": list(experiment.split.audience),
            },
            models=_fingerprints(experiment),
            **_learned(experiment),
            versions=versions(),
            started=clock(),
        )
        directory.write(manifest)
        return await _simulate(experiment, directory, manifest, options, clock, means.line)

    existed = directory.path.exists()
    with directory.locked():
        RunDirectory.fresh(directory.path)  # another process may have begun here meanwhile
        try:
            return _with_journal(directory, options, work)
        except UserError:
            if not any((directory.path / "sessions").glob("*.parquet")):
                remove_traces(directory.path, existed)
            raise


def resume_run(
    directory: RunDirectory,
    options: Options,
    clock: Clock,
    *,
    dataset: Dataset | None = None,
    recommenders: Mapping[str, Recommender] | None = None,
) -> FinishedRun:
    """Finish a run that was interrupted; what is stored or journaled is not asked again.

    Raises:
        UserError: the dataset, the calibration or a model is no longer the one the run was started
            with.
    """
    manifest = directory.read()
    shared = options.journal or (Path(manifest.journal) if manifest.journal else None)
    options = replace(options, journal=shared, folder=Path(manifest.folder))
    _check_calibration(manifest)

    async def work(journal: Journal) -> FinishedRun:
        means = _recorded_means(manifest, directory, options, journal)
        experiment = await build(
            manifest.read_scenario(), means, dataset=dataset, recommenders=recommenders
        )
        try:
            _check_same(manifest, experiment)
        except UserError:
            await experiment.aclose()
            raise
        return await _simulate(experiment, directory, manifest, options, clock, means.line)

    if shared is not None and not shared.exists():
        raise UserError(
            f"the journal of this run, {shared}, is gone; bring it back, or every answer would be"
            " paid for again"
        )
    with directory.locked():
        return _with_journal(directory, options, work)


def reopen(directory: RunDirectory, options: Options) -> FinishedRun:
    """The results of what a run has stored, without running anything or asking a model."""
    manifest = directory.read()
    shared = options.journal or (Path(manifest.journal) if manifest.journal else None)
    options = replace(
        options, journal=shared, folder=Path(manifest.folder), mode=JournalMode.REPLAY
    )

    async def work(journal: Journal) -> FinishedRun:
        means = _recorded_means(manifest, directory, options, journal)
        means = replace(means, recorded=manifest.models)
        experiment = await build(manifest.read_scenario(), means)
        _check_same(manifest, experiment)
        await experiment.aclose()
        store = directory.store(writing=False)
        return _finished(experiment, directory, manifest.name, store, journal)

    return _with_journal(directory, options, work)


def _with_journal(
    directory: RunDirectory,
    options: Options,
    work: Callable[[Journal], Coroutine[None, None, FinishedRun]],
) -> FinishedRun:
    path = options.journal or directory.journal
    with Journal(path, create=options.mode is not JournalMode.REPLAY or path.exists()) as journal:
        return asyncio.run(work(journal))


def _means(directory: RunDirectory, options: Options, journal: Journal, written: Usage) -> Means:
    paid = paid_before(directory, journal, options.budget, written)
    return Means(
        Line(
            journal,
            options.mode,
            options.llm,
            options.budget,
            options.seconds,
            paid,
            relay=None if options.cluster is None else RelayLLM,
        ),
        options.folder,
        behaviour=options.behaviour,
        weights=options.weights,
    )


def _recorded_means(
    manifest: Manifest, directory: RunDirectory, options: Options, journal: Journal
) -> Means:
    """What was learned when the run was started is not learned again."""
    return replace(
        _means(directory, options, journal, manifest.read_paid()),
        calibration=manifest.read_calibration(),
        weights=manifest.read_weights(),
    )


async def _simulate(
    experiment: Experiment,
    directory: RunDirectory,
    manifest: Manifest,
    options: Options,
    clock: Clock,
    line: Line,
) -> FinishedRun:
    store = directory.store(writing=True)
    experiment.on_round_start = options.on_round_start
    # Users without a language model take time as well.
    experiment.hooks.append(lambda _: line.purse.check_time())
    if options.on_session_end is not None:
        experiment.hooks.append(options.on_session_end)
    try:
        if options.progress is not None:
            stored = store.count()
            left = max(0, experiment.planned_sessions() - stored)
            experiment.hooks.append(options.progress(experiment, left))
        async with rounds_of(experiment.rooms, options.cluster, options.llm) as run_round:
            await experiment.execute(
                store,
                concurrency=options.concurrency,
                retry_failed=options.retry_failed,
                run_round=run_round,
            )
    finally:
        await experiment.aclose()
        manifest = replace(manifest, paid=asdict(paid_now(manifest.read_paid(), line)))
        directory.write(manifest)
    directory.write(replace(manifest, finished=clock(), counts={"sessions": store.count()}))
    finished = _finished(experiment, directory, manifest.name, store, line.journal)
    if options.report:
        _report(finished)
    return finished


def _report(finished: FinishedRun) -> None:
    folder = finished.directory
    try:
        finished.write_report(folder.report)
    except UserError as error:
        raise UserError(
            f"{error}.\nThe run itself is finished and stored; write its report with: focusgroup"
            f" report {folder.path}"
        ) from error


def _finished(
    experiment: Experiment,
    directory: RunDirectory,
    name: str,
    store: SessionStore,
    journal: Journal,
) -> FinishedRun:
    return FinishedRun(
        directory,
        name,
        experiment,
        store,
        results_of(experiment, store.scan()),
        spent(experiment),
        tokens_of(store.scan(), journal) if experiment.models() else Usage(),
    )


def _fingerprints(experiment: Experiment) -> dict[str, str]:
    return {
        room.audience.name: room.speaker.llm.fingerprint
        for room in experiment.rooms
        if room.speaker is not None
    }


def _learned(experiment: Experiment) -> _Learned:
    found, calibration = _Learned(weights={}), experiment.calibration
    for room in experiment.rooms:
        if room.speaker is not None and room.speaker.weight is not None:
            found["weights"][room.audience.name] = to_plain(room.speaker.weight)
    if calibration is not None:
        found["calibration"] = calibration.model_dump(mode="json")
        found["calibration_fingerprint"] = calibration.fingerprint
    return found


def _check_calibration(manifest: Manifest) -> None:
    """A file that is gone is no harm, the manifest holds what it said; another one is."""
    path = manifest.read_scenario().calibration
    if path is None or not (Path(manifest.folder) / path).exists():
        return
    now = read_calibration(Path(manifest.folder) / path).fingerprint
    if now != manifest.calibration_fingerprint:
        raise UserError(
            f"run {manifest.name!r}: its calibration {path} has changed since the run was started;"
            " start a new run, or bring the old file back"
        )


def _check_same(manifest: Manifest, experiment: Experiment) -> None:
    if experiment.dataset.fingerprint != manifest.dataset_fingerprint:
        raise UserError(
            f"run {manifest.name!r}: the data has changed since the run was started; start a new"
            " run, or bring the old data back"
        )
    for audience, fingerprint in _fingerprints(experiment).items():
        if manifest.models.get(audience) != fingerprint:
            raise UserError(
                f"run {manifest.name!r}: audience {audience!r} was answered by"
                f" {manifest.models.get(audience)!r}, now it would be {fingerprint!r}"
            )


def remove_traces(path: Path, existed: bool) -> None:
    """What a run that never began left in its folder; the lock goes last. What was paid for is
    kept, for the next run in this folder."""
    sessions = path / "sessions"
    for torn in sessions.glob("*" + TORN):
        torn.unlink()
    if sessions.exists():
        sessions.rmdir()
    (path / MANIFEST).unlink(missing_ok=True)
    discard_unpaid(path / "journal.sqlite")
    (path / "lock").unlink(missing_ok=True)
    if not existed and path.exists() and not any(path.iterdir()):
        path.rmdir()

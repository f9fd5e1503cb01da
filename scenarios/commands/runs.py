"""demo, run, resume: commands that simulate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from focusgroup.agents.llm import JournalMode
from focusgroup.scenarios.batch import resume_run, start_run
from focusgroup.scenarios.estimate import PROBE
from focusgroup.scenarios.finished import FinishedRun
from focusgroup.scenarios.library import find_scenario
from focusgroup.scenarios.options import Options
from focusgroup.scenarios.overrides import override
from focusgroup.scenarios.rundir import MANIFEST, SWEEP, RunDirectory
from focusgroup.scenarios.scenario import AssumedSpec
from focusgroup.scenarios.sweep import SweepOf
from focusgroup.scenarios.sweep_run import OnSetting, Swept, resume_sweep
from focusgroup.scenarios.sweep_run import sweep as run_sweep
from focusgroup.simulator import RunStopped, UserError
from focusgroup.simulator.export import file_name

from . import flags
from .closing import absence_text, closing_text, next_steps, wholly_failed
from .estimate import estimate_text
from .flags import (
    PATIENCE,
    RUNS,
    Actors,
    CompletionPrice,
    Concurrency,
    JournalPath,
    KeyVariable,
    Llm,
    MaxCost,
    MaxTime,
    MaxTokens,
    Out,
    Patience,
    PromptPrice,
    Quiet,
    Ray,
    Seed,
    Style,
    Users,
)
from .progress import close_bars
from .sweep import SweepBar, sweep_text

Done = TypeVar("Done")


def demo(
    out: Out = None,
    users: Users = None,
    llm: Llm = None,
    patience: Patience = PATIENCE,
    quiet: Quiet = False,
) -> None:
    """Watch a focus group meet four recommenders: the scenario movies-quickstart.

    Example: focusgroup demo --llm openai:Qwen/Qwen3-8B@http://localhost:8000/v1
    """
    name, scenario = find_scenario("movies-quickstart")
    scenario = override(scenario, users=users, llm=llm)
    directory = RunDirectory.fresh(out or free_folder("demo"))
    typer.echo(f"{scenario.title}\nRun directory: {directory.path}", err=True)
    options = flags.options(patience=patience, quiet=quiet)
    finished = _guarded(
        directory.path, MANIFEST, lambda: start_run(scenario, directory, name, options, now)
    )
    _close(finished)
    typer.echo(next_steps())


def run(
    scenario: Annotated[str, typer.Argument(help="A YAML file, or a name of the library.")],
    out: Out = None,
    seed: Seed = None,
    users: Users = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a key, e.g. --set page.k=5."),
    ] = None,
    llm: Llm = None,
    style: Style = None,
    calibration: Annotated[
        Path | None, typer.Option(help="A file of `focusgroup calibrate`.")
    ] = None,
    concurrency: Concurrency = 256,
    journal: JournalPath = None,
    journal_mode: Annotated[
        JournalMode, typer.Option(help="replay: a miss is an error.")
    ] = JournalMode.RECORD,
    key_env: KeyVariable = "OPENAI_API_KEY",
    patience: Patience = PATIENCE,
    max_tokens: MaxTokens = None,
    max_cost: MaxCost = None,
    max_time: MaxTime = None,
    price_prompt: PromptPrice = None,
    price_completion: CompletionPrice = None,
    sweep: Annotated[
        SweepOf | None,
        typer.Option(help="Change what is assumed, one by one: does the winner depend on it?"),
    ] = None,
    ray: Ray = None,
    actors: Actors = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Calls, tokens, time and cost; runs nothing.")
    ] = False,
    probe: Annotated[
        int, typer.Option(min=0, help="Answers --dry-run asks for, to see when users leave.")
    ] = PROBE,
    quiet: Quiet = False,
) -> None:
    """Run a scenario: every user of every audience meets every recommender.

    Example: focusgroup run movies-quickstart --users 20 --set page.k=5 --out runs/mine
    """
    name, read = find_scenario(scenario)
    changed = override(
        read,
        settings=settings or (),
        seed=seed,
        users=users,
        llm=llm,
        style=style,
        calibration=calibration,
    )
    changed = changed.model_copy(
        update={"prices": flags.prices(changed.prices, price_prompt, price_completion)}
    )
    options = flags.options(
        journal=journal,
        mode=journal_mode,
        concurrency=concurrency,
        key_env=key_env,
        patience=patience,
        budget=flags.budget(changed.prices, max_tokens, max_cost, max_time),
        folder=Path(scenario).parent if Path(scenario).exists() else Path(),
        quiet=quiet,
    )
    if dry_run:
        typer.echo(estimate_text(changed, options, probe=probe))
        if sweep is not None:
            most = 2 * len(AssumedSpec.model_fields) + 1
            typer.echo(f"The sweep runs this up to {most} times; pages asked alike are asked once.")
        return
    if sweep is not None:
        _no_limits("--sweep", max_tokens, max_cost, max_time)
        folder = out or free_folder(f"{name}-sweep")
        typer.echo(f"{changed.title}\nSweep directory: {folder}", err=True)
        with flags.cluster(ray, actors, options.folder) as cluster:
            options = replace(options, cluster=cluster)
            _sweep(
                folder, options, lambda o, bar: run_sweep(changed, folder, o, now, on_setting=bar)
            )
        return
    directory = RunDirectory.fresh(out or free_folder(name))
    typer.echo(f"{changed.title}\nRun directory: {directory.path}", err=True)
    with flags.cluster(ray, actors, options.folder) as cluster:
        shared = replace(options, cluster=cluster)
        finished = _guarded(
            directory.path, MANIFEST, lambda: start_run(changed, directory, name, shared, now)
        )
    _close(finished)


def resume(
    run: Annotated[Path, typer.Argument(help="The run directory.")],
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Run failed sessions once more.")
    ] = False,
    concurrency: Concurrency = 256,
    key_env: KeyVariable = "OPENAI_API_KEY",
    patience: Patience = PATIENCE,
    max_tokens: MaxTokens = None,
    max_cost: MaxCost = None,
    max_time: MaxTime = None,
    price_prompt: PromptPrice = None,
    price_completion: CompletionPrice = None,
    ray: Ray = None,
    actors: Actors = None,
    quiet: Quiet = False,
) -> None:
    """Finish a run that was interrupted; nothing stored or journaled is asked again.

    A limit of tokens or cost is one of the whole run: what its earlier parts took counts. Without
    one there is none, whatever the run was started with.

    Example: focusgroup resume runs/mine --retry-failed
    """
    options = flags.options(
        concurrency=concurrency,
        key_env=key_env,
        patience=patience,
        retry_failed=retry_failed,
        quiet=quiet,
    )
    if (run / SWEEP).exists():
        _no_limits(f"{run} holds a sweep", max_tokens, max_cost, max_time)
        if (ray, actors) != (None, None):
            raise UserError(f"{run} holds a sweep: it is resumed without --ray and --actors")
        _sweep(run, options, lambda o, bar: resume_sweep(run, o, now, on_setting=bar))
        return
    directory = RunDirectory.existing(run)
    manifest = directory.read()
    priced = flags.prices(manifest.read_scenario().prices, price_prompt, price_completion)
    options = replace(
        options,
        mode=JournalMode(manifest.journal_mode),
        budget=flags.budget(priced, max_tokens, max_cost, max_time),
    )
    with flags.cluster(ray, actors, Path(manifest.folder)) as cluster:
        shared = replace(options, cluster=cluster)
        finished = _guarded(directory.path, MANIFEST, lambda: resume_run(directory, shared, now))
    _close(finished)


def _no_limits(where: str, *limits: float | None) -> None:
    if any(limit is not None for limit in limits):
        raise UserError(
            f"{where}: --max-tokens, --max-cost and --max-time hold for one run, and a sweep is"
            " many; leave them out, and see what it takes with --dry-run"
        )


def _sweep(folder: Path, options: Options, work: Callable[[Options, OnSetting], Swept]) -> None:
    """One bar over all settings, then what they came to."""
    bar = SweepBar()
    if options.progress is not None:
        options = replace(options, progress=bar.progress)
    swept = _guarded(folder, SWEEP, lambda: work(options, bar.setting))
    typer.echo(sweep_text(swept))


def _close(finished: FinishedRun) -> None:
    """Print what came of it; exit code 1 if somebody was never answered."""
    typer.echo(closing_text(finished))
    if absence := absence_text(finished):
        typer.echo(absence, err=True)
    if lost := wholly_failed(finished):
        typer.echo(f"error: every visit failed: {', '.join(lost)}", err=True)
        raise typer.Exit(1)


def now() -> str:
    """The time, for a manifest: the one clock there is."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def free_folder(name: str) -> Path:
    """`runs/NAME`, or the first of `runs/NAME-2`, ... that does not exist."""
    name = file_name(name)
    folder, number = RUNS / name, 1
    while folder.exists():
        number += 1
        folder = RUNS / f"{name}-{number}"
    return folder


def _guarded(folder: Path, sign: str, work: Callable[[], Done]) -> Done:
    """Say how to go on where a run ends early; `sign` is the file that shows it had begun."""
    try:
        try:
            return work()
        finally:
            close_bars()
    except RunStopped as error:
        on = f"focusgroup resume {folder}"
        if not (folder / sign).exists():
            on = f"the same command and --out {folder}"
        raise RunStopped(f"{error}\ngo on with: {on}") from error
    except KeyboardInterrupt:
        if (folder / sign).exists():
            typer.echo(f"\ngo on with: focusgroup resume {folder}", err=True)
        raise

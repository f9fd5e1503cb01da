"""demo, run, resume: commands that simulate."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from focusgroup.agents.llm import Budget, JournalMode, LLMOptions
from focusgroup.scenarios.batch import resume_run, start_run
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

from .closing import closing_text, next_steps, wholly_failed
from .estimate import estimate_text
from .progress import session_bar
from .sweep import SweepBar, sweep_text

RUNS = Path("runs")
Done = TypeVar("Done")

Out = Annotated[Path | None, typer.Option(help="Run directory (default: runs/NAME).")]
Seed = Annotated[int | None, typer.Option(help="Seed of the whole run.")]
Users = Annotated[int | None, typer.Option(min=1, help="Users of every audience.")]
Llm = Annotated[
    str | None,
    typer.Option(help="embedded | embedded:PATH | openai:MODEL@URL | none", metavar="MODEL"),
]
Style = Annotated[str | None, typer.Option(help="answer | score", metavar="STYLE")]
Concurrency = Annotated[int, typer.Option(min=1, help="Most sessions in flight at once.")]
JournalPath = Annotated[
    Path | None, typer.Option("--journal", help="A shared journal (default: in the run).")
]
KeyVariable = Annotated[
    str, typer.Option("--key-env", help="Environment variable with the server's key.")
]


def demo(
    out: Out = None,
    users: Users = None,
    llm: Llm = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress bar.")] = False,
) -> None:
    """Watch a focus group meet four recommenders: the scenario movies-quickstart.

    Example: focusgroup demo --llm openai:Qwen/Qwen3-8B@http://localhost:8000/v1
    """
    name, scenario = find_scenario("movies-quickstart")
    scenario = override(scenario, users=users, llm=llm)
    directory = RunDirectory.fresh(out or free_folder("demo"))
    typer.echo(f"{scenario.title}\nRun directory: {directory.path}", err=True)
    finished = _guarded(
        directory.path,
        MANIFEST,
        lambda: start_run(scenario, directory, name, _options(quiet=quiet), now),
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
    max_tokens: Annotated[int | None, typer.Option(min=1, help="Stop before this many.")] = None,
    max_cost: Annotated[
        float | None, typer.Option(min=0, help="Stop before this cost (prices: scenario).")
    ] = None,
    max_time: Annotated[
        float | None, typer.Option(min=0, help="Ask no model after this many seconds.")
    ] = None,
    sweep: Annotated[
        SweepOf | None,
        typer.Option(help="Change what is assumed, one by one: does the winner depend on it?"),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Calls, tokens, time and cost; runs nothing.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress bar.")] = False,
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
    options = _options(
        journal=journal,
        mode=journal_mode,
        concurrency=concurrency,
        key_env=key_env,
        budget=Budget(
            max_tokens, max_cost, max_time, changed.prices.prompt, changed.prices.completion
        ),
        folder=Path(scenario).parent if Path(scenario).exists() else Path(),
        quiet=quiet,
    )
    if dry_run:
        typer.echo(estimate_text(changed, options))
        if sweep is not None:
            most = 2 * len(AssumedSpec.model_fields) + 1
            typer.echo(f"The sweep runs this up to {most} times; pages asked alike are asked once.")
        return
    if sweep is not None:
        if (max_tokens, max_cost, max_time) != (None, None, None):
            raise UserError(
                "--sweep: --max-tokens, --max-cost and --max-time hold for one run, and a sweep is"
                " many; leave them out, and see what it takes with --dry-run"
            )
        folder = out or free_folder(f"{name}-sweep")
        typer.echo(f"{changed.title}\nSweep directory: {folder}", err=True)
        _sweep(folder, options, lambda o, bar: run_sweep(changed, folder, o, now, on_setting=bar))
        return
    directory = RunDirectory.fresh(out or free_folder(name))
    typer.echo(f"{changed.title}\nRun directory: {directory.path}", err=True)
    finished = _guarded(
        directory.path, MANIFEST, lambda: start_run(changed, directory, name, options, now)
    )
    _close(finished)


def resume(
    run: Annotated[Path, typer.Argument(help="The run directory.")],
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Run failed sessions once more.")
    ] = False,
    concurrency: Concurrency = 256,
    key_env: KeyVariable = "OPENAI_API_KEY",
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress bar.")] = False,
) -> None:
    """Finish a run that was interrupted; nothing stored or journaled is asked again.

    Example: focusgroup resume runs/mine --retry-failed
    """
    if (run / SWEEP).exists():
        options = _options(
            concurrency=concurrency, key_env=key_env, retry_failed=retry_failed, quiet=quiet
        )
        _sweep(run, options, lambda o, bar: resume_sweep(run, o, now, on_setting=bar))
        return
    directory = RunDirectory.existing(run)
    mode = JournalMode(directory.read().journal_mode)
    options = _options(
        mode=mode,
        concurrency=concurrency,
        key_env=key_env,
        retry_failed=retry_failed,
        quiet=quiet,
    )
    finished = _guarded(directory.path, MANIFEST, lambda: resume_run(directory, options, now))
    _close(finished)


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
    if lost := wholly_failed(finished):
        typer.echo(f"error: every visit failed: {', '.join(lost)}", err=True)
        raise typer.Exit(1)


def now() -> str:
    """The time, for a manifest: the one clock there is."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def free_folder(name: str) -> Path:
    """`runs/NAME`, or the first of `runs/NAME-2`, ... that does not exist."""
    folder, number = RUNS / name, 1
    while folder.exists():
        number += 1
        folder = RUNS / f"{name}-{number}"
    return folder


def _options(
    *,
    journal: Path | None = None,
    mode: JournalMode = JournalMode.RECORD,
    concurrency: int = 256,
    key_env: str = "OPENAI_API_KEY",
    budget: Budget | None = None,
    folder: Path | None = None,
    retry_failed: bool = False,
    quiet: bool = False,
) -> Options:
    return Options(
        journal=journal,
        mode=mode,
        concurrency=concurrency,
        llm=LLMOptions(key_variable=key_env),
        budget=budget or Budget(),
        seconds=time.monotonic,
        folder=folder or Path(),
        retry_failed=retry_failed,
        progress=None if quiet else session_bar,
    )


def _guarded(folder: Path, sign: str, work: Callable[[], Done]) -> Done:
    """Say how to go on where a run ends early; `sign` is the file that shows it had begun."""
    try:
        return work()
    except RunStopped as error:
        raise RunStopped(f"{error}\ngo on with: focusgroup resume {folder}") from error
    except KeyboardInterrupt:
        if (folder / sign).exists():
            typer.echo(f"\ngo on with: focusgroup resume {folder}", err=True)
        raise

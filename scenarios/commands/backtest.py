"""backtest: what would these users have said about A/B tests whose outcome is known?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from focusgroup.agents.llm import JournalMode
from focusgroup.scenarios.backtest import read_backtest
from focusgroup.scenarios.backtest_plan import Part
from focusgroup.scenarios.backtest_run import RESULT, changed, open_plan, run_backtest
from focusgroup.scenarios.backtest_text import backtest_text
from focusgroup.scenarios.certificates import certificate_of, find_certificates
from focusgroup.simulator import RunStopped

from . import flags
from .closing import absence_text
from .estimate import estimate_text
from .flags import PATIENCE, RUNS, Concurrency, JournalPath, KeyVariable, Llm, Patience, Style
from .runs import now


def backtest(
    tests: Annotated[Path, typer.Argument(metavar="AB_TESTS.yaml", help="Past A/B tests.")],
    out: Annotated[Path | None, typer.Option(help="Folder (default: runs/NAME-backtest).")] = None,
    users: Annotated[int | None, typer.Option(min=1, help="Users that meet the arms.")] = None,
    llm: Llm = None,
    style: Style = None,
    seed: Annotated[int | None, typer.Option(help="Seed of everything.")] = None,
    journal: JournalPath = None,
    journal_mode: Annotated[
        JournalMode, typer.Option(help="replay: a miss is an error.")
    ] = JournalMode.RECORD,
    concurrency: Concurrency = 256,
    key_env: KeyVariable = "OPENAI_API_KEY",
    patience: Patience = PATIENCE,
    max_tokens: Annotated[
        int | None, typer.Option(min=1, help="Stop before one of the runs has taken this many.")
    ] = None,
    max_time: Annotated[
        float | None, typer.Option(min=0, help="Ask no model after this many seconds.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help=f"Print {RESULT} instead of tables.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Runs, calls, tokens; predicts nothing.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress bar.")] = False,
) -> None:
    """Predict past A/B tests blind, then hold the predictions against what came out.

    The same command goes on where it was stopped. Example of a file: see the README.

    Example: focusgroup backtest ab-tests.yaml --users 200
    """
    spec = changed(read_backtest(tests), users=users, llm=llm, style=style, seed=seed)
    folder = out or RUNS / f"{tests.stem}-backtest"
    options = flags.options(
        journal=journal,
        mode=journal_mode,
        concurrency=concurrency,
        key_env=key_env,
        patience=patience,
        budget=flags.budget(spec.prices, max_tokens, None, max_time),
        folder=tests.parent,
        quiet=quiet,
    )
    if dry_run:
        plan, _ = open_plan(spec, tests, folder)
        for part in plan.parts:
            if part.members_file is None:
                typer.echo(estimate_text(part.scenario, options))
            else:
                audience = next(iter(part.scenario.audiences.values()))
                typer.echo(
                    f"{part.scenario.title}: {audience.users} of {len(part.members)} users with a"
                    " slate, nothing was run."
                )
        return

    def began(part: Part) -> None:
        typer.echo(f"{part.scenario.title}\nRun directory: {folder / part.name}", err=True)

    try:
        done = run_backtest(spec, tests, folder, options, now, began)
    except RunStopped as error:
        raise RunStopped(f"{error}\nthe same command goes on from here") from error
    for absence in dict.fromkeys(map(absence_text, done.runs)):
        if absence:
            typer.echo(absence, err=True)
    if as_json:
        typer.echo(done.json, nl=False)
        return
    first = done.runs[0]
    shelf = find_certificates(first.directory.path)
    certified = certificate_of(first.experiment, first.experiment.rooms[0], shelf)
    typer.echo(backtest_text(done.result))
    typer.echo(f"\nPredicted by: {done.audience}. Certificate: {certified.told}")
    typer.echo(f"Results: {folder / RESULT}")

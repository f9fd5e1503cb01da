"""compare, report, export: commands that look at what a run has stored."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from focusgroup.scenarios.batch import reopen
from focusgroup.scenarios.finished import FinishedRun
from focusgroup.scenarios.options import Options
from focusgroup.scenarios.outcome import model_facts
from focusgroup.scenarios.rundir import RunDirectory
from focusgroup.simulator import UserError
from focusgroup.simulator.errors import did_you_mean
from focusgroup.simulator.export import file_name, writer_for
from focusgroup.simulator.metrics.tables import comparison_text, results_text, to_json

from .closing import audiences_text, unfinished_text

Run = Annotated[Path, typer.Argument(help="The run directory.")]


def compare(
    run: Run,
    as_json: Annotated[bool, typer.Option("--json", help="All results as JSON.")] = False,
    exploratory: Annotated[
        bool, typer.Option("--all", help="Also compare on the metrics that do not decide.")
    ] = False,
) -> None:
    """Say which recommender is ahead, by how much, or that n is too small to say.

    Example: focusgroup compare runs/demo --json > results.json
    """
    opened = _opened(run)
    if as_json:
        typer.echo(to_json(opened.results))
        return
    if exploratory:
        typer.echo(comparison_text(opened.results, exploratory=True))
    else:
        typer.echo(results_text(opened.results))
    typer.echo(f"\n{audiences_text(opened)}")


def report(
    run: Run,
    out: Annotated[Path | None, typer.Option(help="File (default: RUN/report.html).")] = None,
) -> None:
    """Write the HTML report of a run: one file that opens offline.

    Example: focusgroup report runs/demo --out report.html
    """
    opened = _opened(run)
    path = out or opened.directory.report
    opened.write_report(path)
    typer.echo(str(path))


def export(
    run: Run,
    format: Annotated[str, typer.Option(help="parquet | recbole | movielens")],
    out: Annotated[Path, typer.Option(help="Folder to write to.")],
    arm: Annotated[str | None, typer.Option(help="One recommender only.")] = None,
    audience: Annotated[str | None, typer.Option(help="One audience only.")] = None,
) -> None:
    """Export the synthetic interactions, exposures and propensities of a run.

    Example: focusgroup export runs/demo --format recbole --out data/synthetic
    """
    writer = writer_for(format)
    opened = _opened(run)
    experiment = opened.experiment
    rooms = {room.audience.name: room for room in experiment.rooms}
    for flag, value, known in (
        ("arm", arm, tuple(experiment.arms)),
        ("audience", audience, tuple(rooms)),
    ):
        if value is not None and value not in known:
            raise UserError(f"--{flag}: the run has no {value!r}.{did_you_mean(value, known)}")
    paths = writer(
        opened.store.scan(),
        experiment.catalog,
        experiment.dataset.users,
        out,
        file_name(opened.name),
        arm=arm,
        audience=audience,
        answered_by={name: model_facts(experiment, room).model for name, room in rooms.items()},
    )
    for path in paths:
        typer.echo(str(path))


def _opened(run: Path) -> FinishedRun:
    """What is stored of a run; says so where it is not all."""
    opened = reopen(RunDirectory.existing(run), Options())
    if unfinished := unfinished_text(opened):
        typer.echo(unfinished, err=True)
    return opened

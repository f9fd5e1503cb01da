"""The command line: commands in `commands/`, and the one place where errors become exit codes.

0 done; 1 a stated requirement was missed; 2 something the user can fix; 3 stopped early, resumable;
130 interrupted (Ctrl-C), 143 terminated (SIGTERM), both resumable.
"""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Annotated

import typer

from focusgroup.scenarios.cluster.place import with_address
from focusgroup.simulator import RunStopped, UserError

from .commands import (
    backtest,
    calibrate,
    certify,
    datasets,
    doctor,
    duel,
    journal,
    models,
    results,
    runs,
)
from .commands import scenarios as scenario_commands
from .commands.ending import Ending, ended_from_outside, one_way_to_end

app = typer.Typer(
    name="focusgroup",
    no_args_is_help=True,
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def focusgroup(
    show_version: Annotated[bool, typer.Option("--version", help="Print it and exit.")] = False,
) -> None:
    """A synthetic audience for recommender systems. Start with: focusgroup demo"""
    if show_version:
        typer.echo(version("focusgroup"))
        raise typer.Exit


app.command()(runs.demo)
app.command()(runs.run)
app.command()(runs.resume)
app.command()(calibrate.calibrate)
app.command()(certify.certify)
app.command()(duel.duel)
app.command()(backtest.backtest)
app.command()(results.compare)
app.command()(results.report)
app.command()(results.export)
app.command()(doctor.doctor)
app.add_typer(datasets.app, name="datasets")
app.add_typer(scenario_commands.app, name="scenarios")
app.add_typer(models.app, name="models")
app.add_typer(journal.app, name="journal")


def main() -> None:
    """Reads the command line and does what it says."""
    ending = Ending()
    try:
        with one_way_to_end(ending):
            app(with_address(sys.argv[1:]))
    except UserError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(2)
    except OSError as error:
        typer.echo(f"error: {error.filename or 'file'}: {error.strerror or error}", err=True)
        sys.exit(2)
    except RunStopped as error:
        typer.echo(f"stopped: {error}", err=True)
        sys.exit(3)
    except (KeyboardInterrupt, SystemExit) as ended:
        if not ended_from_outside(ended):
            raise
        typer.echo(ending.word, err=True)
        sys.exit(ending.code)


if __name__ == "__main__":
    main()

"""calibrate: learn how users choose once, keep it in a file, use it in any number of runs."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Never

import typer
from tqdm import tqdm

from focusgroup.agents.llm import Journal, JournalMode, Line, LLMOptions
from focusgroup.scenarios.build import Means
from focusgroup.scenarios.calibration import Calibration, read_calibration
from focusgroup.scenarios.calibration_fit import calibrate as learn
from focusgroup.scenarios.calibration_fit import calibration_scenario
from focusgroup.scenarios.outcome import known_weakness
from focusgroup.scenarios.overrides import override
from focusgroup.simulator import RunStopped, UserError

from .flags import KeyVariable, Style

NOTHING = 0.0005  # what would be written as 0.000
_SHOWN = ("value", "low", "high", "pages")


def calibrate(
    data: Annotated[str, typer.Option(help="movies | groceries | jester | a mapping file.")],
    out: Annotated[Path, typer.Option(help="The file to write.")] = Path("calibration.json"),
    data_dir: Annotated[Path | None, typer.Option(help="Folder of jester or redial.")] = None,
    llm: Annotated[
        str | None,
        typer.Option(help="Also weigh this model's opinion (as in `run --llm`).", metavar="MODEL"),
    ] = None,
    style: Style = None,
    calibration_users: Annotated[
        int | None, typer.Option(min=1, help="Users the model is asked about (default: 30).")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the runs that will use it.")] = 0,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="As the scenario has it: data.min_history"),
    ] = None,
    journal: Annotated[
        Path | None, typer.Option(help="A shared journal (default: beside the file).")
    ] = None,
    journal_mode: Annotated[
        JournalMode, typer.Option(help="replay: a miss is an error.")
    ] = JournalMode.RECORD,
    key_env: KeyVariable = "OPENAI_API_KEY",
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress bar.")] = False,
) -> None:
    """Learn how users choose, and what a model's opinion is worth, into a small file.

    A scenario uses it with `calibration: PATH`, or `focusgroup run SCENARIO --calibration PATH`.
    Its seed and `data:` keys must be those of the scenario; a run in which they are not says so.

    Example: focusgroup calibrate --data movies --llm embedded --style score --out movies.json
    """
    asked = None if llm == "none" else llm
    if asked is None and (style is not None or calibration_users is not None):
        flag = "--style" if style is not None else "--calibration-users"
        raise UserError(f"{flag} is for a language model; name one with --llm, or leave it out")
    _check_out(out)
    scenario = override(
        calibration_scenario(
            data,
            data_dir=None if data_dir is None else str(data_dir),
            seed=seed,
            llm=asked,
            style=style,
            users=calibration_users,
        ),
        settings=settings or (),
    )
    kept = journal or out.with_suffix(".journal.sqlite")
    with _journal(kept if asked is not None else None) as opened:
        means = Means(
            Line(opened, journal_mode, LLMOptions(key_variable=key_env), clock=time.monotonic),
            on_opinion=None if quiet else _bar(),
        )
        try:
            found = asyncio.run(learn(scenario, means))
        except RunStopped as error:
            raise RunStopped(f"{error}\nwhat was answered is kept in {kept}; run again") from error
    found.write(out)
    typer.echo(summary(found))
    if asked is not None:
        typer.echo(f"Answers of the model: {kept} (asked again only if it is gone).")
    typer.echo(f"Written: {out}. Use it: focusgroup run SCENARIO --calibration {out}")


def _check_out(out: Path) -> None:
    """Refuse to write over what is not a calibration, before anything is learned."""
    if not out.exists():
        return
    try:
        read_calibration(out)
    except UserError as error:
        raise UserError(
            f"--out {out} exists and is no calibration of this version; delete it, or choose"
            f" another name ({error})"
        ) from error


@contextmanager
def _journal(path: Path | None) -> Iterator[Journal]:
    """The journal there, or one nobody needs afterwards."""
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with Journal(path) as opened:
            yield opened
        return
    with tempfile.TemporaryDirectory() as folder, Journal(Path(folder) / "journal") as opened:
        yield opened


def _bar() -> Callable[[int, int], None]:
    """A bar over the pages whose truth is known, begun with the first answer."""
    bars: list[tqdm[Never]] = []

    def answered(done: int, total: int) -> None:
        if not bars:
            width = max(60, shutil.get_terminal_size().columns)
            bars.append(tqdm(total=total, desc="opinions", unit="page", ncols=width))
        bars[0].update(done - bars[0].n)
        if done >= total:
            bars[0].close()

    return answered


def summary(found: Calibration) -> str:
    """What was learned, from whom, and what is assumed."""
    users, choice = found.users, found.fitted_choice()
    lines = [
        f"Calibration of {found.data.name}: {users.n} users (seed {users.seed}, at least"
        f" {users.min_history} events of history, {100 * users.held_out:.0f} % held out).",
        "Learned: log-odds of a choice for one standard deviation more of",
        *_aligned(dict(zip(_features(found.choice), choice.weights.tolist(), strict=True))),
    ]
    if (stars := found.fitted_stars()) is not None and found.stars is not None:
        lines += [
            "Learned: log-odds of more stars, for one unit of",
            *_aligned(dict(zip(_features(found.stars), stars.weights.tolist(), strict=True))),
            "  with thresholds for more than 1, 2, 3, 4 stars: "
            + ", ".join(f"{threshold:+.2f}" for threshold in stars.thresholds),
        ]
    auc = found.auc
    if auc.model is not None and auc.popularity is not None:
        lines.append(
            f"It tells what a user took from equally popular items the user did not with AUC"
            f" {auc.model:.3f}; popularity alone with {auc.popularity:.3f}."
        )
    lines += _opinion(found)
    lines.append(f"Assumed, not learned from any log: {found.assumed.in_words()}.")
    return "\n".join(lines)


def _features(plain: object) -> list[str]:
    table = plain.get("features") if isinstance(plain, dict) else None
    return list(table) if isinstance(table, dict) else []


def _aligned(values: dict[str, float]) -> list[str]:
    width = max((len(name) for name, v in values.items() if abs(v) >= NOTHING), default=0)
    lines = [f"  {n.ljust(width)}  {v:+.3f}" for n, v in values.items() if abs(v) >= NOTHING]
    rest = [name for name, value in values.items() if abs(value) < NOTHING]
    return [*lines, f"  nothing by {', '.join(rest)}"] if rest else lines


def _opinion(found: Calibration) -> list[str]:
    opinion, weight = found.opinion, found.opinion_weight()
    if opinion is None or weight is None:
        return ["No language model was asked: runs with `decision: pooled` cannot use this file."]
    earned = weight.low > 0
    return [
        f"{opinion.model.split('@sha256', 1)[0]}, style {opinion.style}: a unit of its opinion adds"
        f" {weight.value:+.3f} log-odds [{weight.low:+.3f}, {weight.high:+.3f}], learned on"
        f" {weight.pages} pages"
        + ("." if earned else ": the interval does not lie above 0, so it has earned no weight."),
        *(
            f"  and {value:+.3f} by {name}"
            for name, value in opinion.weight.items()
            if name not in _SHOWN and isinstance(value, float) and value
        ),
        *([f"  WARNING: {weakness}"] if (weakness := known_weakness(opinion.model)) else []),
    ]

"""The Python door: your data and your recommenders, in a few lines."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from focusgroup.agents.llm import JournalMode
from focusgroup.simulator import Catalog, MemoryStore, Recommender, RoundStart, Session, UserError
from focusgroup.simulator.export import file_name, writer_for
from focusgroup.simulator.metrics.results import Results
from focusgroup.simulator.metrics.tables import comparison_text, results_text

from .batch import start_run
from .datasets import Dataset
from .finished import FinishedRun
from .options import Options
from .outcome import model_facts
from .rundir import RunDirectory
from .scenario import scenario_from

_AUDIENCE = "audience"


@dataclass(frozen=True, slots=True)
class FocusGroup:
    """What a focus group came to. Printing it shows the tables and the verdict."""

    run: FinishedRun

    def __str__(self) -> str:
        return results_text(self.results)

    @property
    def results(self) -> Results:
        """Every figure with its interval and n."""
        return self.run.results

    @property
    def sessions(self) -> Sequence[Session]:
        """What everybody was shown and did, sorted by audience, arm, user, round."""
        return self.run.store.sessions()

    def compare(self) -> str:
        """Which recommender is ahead and by how much, or that n is too small to say."""
        return comparison_text(self.results)

    def report(self, path: str | Path) -> Path:
        """Write the HTML report; returns its path."""
        target = Path(path)
        self.run.write_report(target)
        return target

    def export(self, folder: str | Path, format: str = "parquet") -> list[Path]:
        """Write the synthetic interactions: parquet, recbole or movielens."""
        experiment = self.run.experiment
        rooms = experiment.rooms
        return writer_for(format)(
            self.run.store.scan(),
            experiment.catalog,
            experiment.dataset.users,
            Path(folder),
            file_name(experiment.dataset.domain.name),
            answered_by={r.audience.name: model_facts(experiment, r).model for r in rooms},
        )


def focus_group(
    dataset: Dataset | str,
    recommenders: Mapping[str, Recommender | str],
    *,
    users: int = 100,
    llm: str = "none",
    style: str = "answer",
    k: int = 10,
    pages: int = 3,
    rounds: int = 1,
    primary: str = "click_rate",
    seed: int = 0,
    out: str | Path | None = None,
    journal: str | Path | None = None,
    settings: Mapping[str, object] | None = None,
    on_round_start: Callable[[RoundStart], Catalog] | None = None,
    on_session_end: Callable[[Session], None] | None = None,
) -> FocusGroup:
    """Let simulated users meet recommenders.

    Args:
        dataset: a `Dataset` (see `from_csv`, `from_frames`, `load_dataset`) or what
            `load_dataset` takes.
        recommenders: arm -> an object with `recommend`, or a name (`"als"`, `"module:Class"`).
            An object with `fit` is fitted on the log of users who are not in the audience.
        users: how many meet every recommender.
        llm: ``none`` for the calibrated behaviour model alone, else as the command line's --llm.
        primary: the metric that decides.
        out: run directory to keep (resumable); by default nothing is kept.
        settings: any other keys of a scenario, e.g. ``{"data": {"min_history": 3}}``.
        on_round_start: may return the catalog of the round with other prices or texts (a price
            shock), of the same items.

    Raises:
        UserError: anything that names nothing or fits nothing.
    """
    extra = dict(settings or {})
    data = extra.pop("data", {})
    if not isinstance(data, Mapping):
        raise UserError("settings: data: expected a mapping of keys")
    name = dataset if isinstance(dataset, str) else dataset.domain.name
    silent = llm == "none"
    audience: dict[str, object] = {"agent": "behaviour" if silent else "llm", "users": users}
    if not silent:
        audience |= {"llm": llm, "style": style}
    scenario = scenario_from(
        {
            "title": f"{', '.join(recommenders)} on {name}",
            "seed": seed,
            "data": {"name": name, **data},
            "page": {"k": k, "pages": pages},
            "rounds": rounds,
            "recommenders": {
                arm: {"use": made} if isinstance(made, str) else {}
                for arm, made in recommenders.items()
            },
            "audiences": {_AUDIENCE: audience},
            "primary": primary,
            **extra,
        },
        "focus_group",
    )
    options = Options(
        journal=None if journal is None else Path(journal),
        mode=JournalMode.RECORD,
        on_round_start=on_round_start,
        on_session_end=on_session_end,
    )
    ready = {arm: made for arm, made in recommenders.items() if not isinstance(made, str)}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(out) if out is not None else Path(scratch) / "run"
        run = start_run(
            scenario,
            RunDirectory.fresh(folder),
            folder.name,
            options,
            clock=lambda: pd.Timestamp.now(tz="UTC").isoformat(timespec="seconds"),
            dataset=None if isinstance(dataset, str) else dataset,
            recommenders=ready,
        )
        if out is None:
            kept = MemoryStore()
            kept.append(run.store.sessions())
            run = replace(run, store=kept)
    return FocusGroup(run)

"""--sweep: does the winner depend on what is assumed? The bar, the table, the sentence."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Never

from tqdm import tqdm

from focusgroup.scenarios.experiment import Experiment
from focusgroup.scenarios.rundir import SWEEP
from focusgroup.scenarios.sweep import Setting, table
from focusgroup.scenarios.sweep_run import Swept
from focusgroup.simulator import Session
from focusgroup.simulator.metrics import metric_named


class SweepBar:
    """A bar on standard error over the visits of all settings still to run."""

    def __init__(self) -> None:
        self._bar: tqdm[Never] | None = None
        self._left, self._setting = 0, ""

    def setting(self, setting: Setting, left: int) -> None:
        """A setting begins; `left` of them, this one included, are to run."""
        self._left, self._setting = left, setting.in_words()

    def progress(self, experiment: Experiment, left: int) -> Callable[[Session], None]:
        """The hook for the sessions of the setting that has begun."""
        planned = experiment.planned_sessions()
        if self._bar is None:
            width = max(60, shutil.get_terminal_size().columns)
            self._bar = tqdm(total=planned * self._left, unit="visit", ncols=width)
        bar = self._bar
        bar.set_description(self._setting, refresh=False)
        bar.update(planned - left)

        def ended(_: Session) -> None:
            bar.update()
            if bar.total is not None and bar.n >= bar.total:
                bar.close()

        return ended


def sweep_text(swept: Swept) -> str:
    """The table of settings, what was left out, and the sentences that answer the question."""
    lines = [table(swept.rows, metric_named(swept.scenario.primary)), ""]
    lines += [f"left out: {name.replace('_', ' ')}: {why}" for name, why in swept.left_out.items()]
    lines += [
        "These parameters are assumed, not learned from any log; each was changed alone.",
        *swept.conclusion,
        f"All figures: {swept.path / SWEEP}. A run for each setting: {swept.path / 'sweep'}"
        " (`focusgroup report` makes a report of one).",
    ]
    return "\n".join(lines)

"""The progress bar of a run: sessions, rate, time left, pages answered and failed."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from typing import NoReturn

from tqdm import tqdm

from focusgroup.scenarios.experiment import Experiment
from focusgroup.simulator import Failure, Session

_OPEN: list[tqdm[NoReturn]] = []


def close_bars() -> None:
    """End the line of every bar, so that what is said next stands on its own."""
    while _OPEN:
        _OPEN.pop().close()


def session_bar(experiment: Experiment, left: int) -> Callable[[Session], None]:
    """A bar on standard error over the sessions still to run; call the result once a session."""
    names = ", ".join(
        f"{room.audience.name} ({len(room.audience.user_ids)} users)" for room in experiment.rooms
    )
    tqdm.write(f"{names} x {len(experiment.arms)} recommenders", file=sys.stderr)
    if not left:
        return lambda _: None
    width = max(60, shutil.get_terminal_size().columns)
    bar = tqdm(total=left, unit="visit", smoothing=0.05, ncols=width)
    _OPEN.append(bar)
    pages = {"answered": 0, "failed": 0}

    def ended(session: Session) -> None:
        for turn in session.turns:
            pages["failed" if isinstance(turn.outcome, Failure) else "answered"] += 1
        bar.set_description(session.key.audience, refresh=False)
        bar.set_postfix(pages=pages["answered"], failed=pages["failed"], refresh=False)
        bar.update()
        if bar.n >= left:
            bar.close()

    return ended

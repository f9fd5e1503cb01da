"""The progress bars of a run: sessions, rate, time left, pages answered and failed."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from typing import NoReturn

from tqdm import tqdm

from focusgroup.scenarios.experiment import Experiment
from focusgroup.simulator import Failure, Session

_OPEN: list[tqdm[NoReturn]] = []
_MANY = 10_000  # visits, whose results take longer to work out than a reader waits unasked


def close_bars() -> None:
    """End the line of every bar, so that what is said next stands on its own."""
    while _OPEN:
        _OPEN.pop().close()


def session_bar(experiment: Experiment, left: int) -> Callable[[Session], None]:
    """Bars on standard error over the sessions still to run; call the result once a session.

    One for each audience, as they come: what takes microseconds says nothing of how long a language
    model will take.
    """
    names = ", ".join(
        f"{room.audience.name} ({len(room.audience.user_ids)} users)" for room in experiment.rooms
    )
    close_bars()
    tqdm.write(f"{names} x {len(experiment.arms)} recommenders", file=sys.stderr)
    if not left:
        return lambda _: None
    lefts = _lefts(experiment, left)
    width = max(60, shutil.get_terminal_size().columns)
    pages = {"answered": 0, "failed": 0}
    current, coming = "", left

    def ended(session: Session) -> None:
        nonlocal current, coming
        if session.key.audience != current:
            close_bars()
            current = session.key.audience
            pages.update(answered=0, failed=0)
            total = lefts[current]
            _OPEN.append(tqdm(total=total, desc=current, unit="visit", smoothing=0.05, ncols=width))
        for turn in session.turns:
            pages["failed" if isinstance(turn.outcome, Failure) else "answered"] += 1
        bar = _OPEN[-1]
        bar.set_postfix(pages=pages["answered"], failed=pages["failed"], refresh=False)
        bar.update()
        coming -= 1
        if not coming and left >= _MANY:
            close_bars()
            tqdm.write("Everybody is back; working out the results", file=sys.stderr)

    return ended


def _lefts(experiment: Experiment, left: int) -> dict[str, int]:
    """Sessions still to run of each audience: they run one after the other."""
    lefts: dict[str, int] = {}
    for room in reversed(experiment.rooms):
        each = len(room.audience.user_ids) * len(experiment.arms) * experiment.scenario.rounds
        lefts[room.audience.name] = min(each, left)
        left -= lefts[room.audience.name]
    return lefts

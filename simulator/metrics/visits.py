"""How visits went: pages, satisfaction, why users left.

These depend on the path a visit took, so they come from the drawn actions only.
"""

from __future__ import annotations

from collections.abc import Callable

from focusgroup.simulator.types import LeaveReason

from .cells import Cells, Sums, codes, flags, floats, ints, names
from .exposures import Floats
from .metric import Better, Metric, Ratio, Unit


def _finished_sessions(cells: Cells) -> Floats:
    sessions = cells.sessions[flags(cells.sessions, "finished")]
    return cells.sum(ints(sessions, "cell"))


def _pages(cells: Cells) -> Sums:
    turns = cells.turns
    pages = turns[flags(turns, "answered") & flags(turns, "finished")]
    return Sums(cells.sum(ints(pages, "cell")), _finished_sessions(cells))


def _satisfaction(cells: Cells) -> Sums:
    pages = cells.turns[flags(cells.turns, "answered")]
    cell = ints(pages, "cell")
    return Sums(cells.sum(cell, floats(pages, "satisfaction")), cells.sum(cell))


def _left(reason: LeaveReason) -> Callable[[Cells], Sums]:
    def sums(cells: Cells) -> Sums:
        turns = cells.turns
        code = names(turns, "leave_reason").index(reason.value)
        left = turns[(codes(turns, "leave_reason") == code) & flags(turns, "finished")]
        return Sums(cells.sum(ints(left, "cell")), _finished_sessions(cells))

    return sums


_DIRECTION = {
    LeaveReason.SATISFIED: Better.HIGHER,
    LeaveReason.BORED: Better.LOWER,
    LeaveReason.TIRED: Better.NONE,
}

VISITS = (
    Metric(
        "pages_per_session",
        "pages per visit",
        "Answered pages over visits that did not fail.",
        Better.NONE,
        Unit.COUNT,
        Ratio(_pages),
    ),
    Metric(
        "satisfaction",
        "satisfaction",
        "Mean satisfaction with an answered page, 0 to 1.",
        Better.HIGHER,
        Unit.SCORE,
        Ratio(_satisfaction),
        bounds=(0.0, 1.0),
    ),
    *(
        Metric(
            f"left_{reason.value}",
            f"left {reason.value}",
            f"Visits that ended because the user was {reason.value}, over visits that did not "
            "fail; the rest left for another reason or reached the page limit.",
            better,
            Unit.SHARE,
            Ratio(_left(reason)),
            bounds=(0.0, 1.0),
        )
        for reason, better in _DIRECTION.items()
    ),
)

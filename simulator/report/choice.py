"""Which visits a reader is shown: by a rule fixed beforehand, never by hand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from focusgroup.simulator.types import Click, Response, Review, Session, SessionEnd

RULE = (
    "For every audience and arm: the visit whose number of clicks is closest to the median of all "
    "visits that did not fail; the visit with the most reviews, if anyone wrote one; and the first "
    "visit that failed, if any. Ties go to the smaller user id, then the earlier round."
)


@dataclass(frozen=True, slots=True)
class Chosen:
    """A visit to show and why: ``("median clicks", "most reviews")``."""

    session: Session
    reasons: tuple[str, ...]


def choose(sessions: Iterable[Session]) -> tuple[Chosen, ...]:
    """The visits that `RULE` picks from one audience and arm, in its order, each at most once.

    The order of `sessions` does not matter.
    """
    ordered = sorted(sessions, key=lambda session: session.key)
    finished = [s for s in ordered if s.end is not SessionEnd.FAILED]
    reasons: dict[int, tuple[Session, list[str]]] = {}

    def pick(session: Session, reason: str) -> None:
        reasons.setdefault(id(session), (session, []))[1].append(reason)

    if finished:
        middle = median(clicks(s) for s in finished)
        pick(min(finished, key=lambda s: abs(clicks(s) - middle)), "median clicks")
        talkative = max(finished, key=reviews)
        if reviews(talkative):
            pick(talkative, "most reviews")
    for failed in [s for s in ordered if s.end is SessionEnd.FAILED][:1]:
        pick(failed, "failed")
    return tuple(Chosen(session, tuple(why)) for session, why in reasons.values())


def clicks(session: Session) -> int:
    """Clicks of a visit."""
    return _count(session, (Click,))


def reviews(session: Session) -> int:
    """Reviews written in a visit."""
    return _count(session, (Review,))


def _count(session: Session, kinds: Sequence[type]) -> int:
    return sum(
        isinstance(action, tuple(kinds))
        for turn in session.turns
        if isinstance(turn.outcome, Response)
        for action in turn.outcome.actions
    )

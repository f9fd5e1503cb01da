"""Which visits a reader is shown: by a rule fixed beforehand, never by hand."""

from __future__ import annotations

from collections import Counter
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
    choice = Choice()
    for session in sessions:
        choice.add(session)
    return choice.made()


class Choice:
    """`choose` while visits are met one by one: only those that may be picked are kept."""

    def __init__(self) -> None:
        self._finished: Counter[int] = Counter()  # visits by number of clicks
        self._clicked: dict[int, Session] = {}  # the first of each such number
        self._talkative: Session | None = None
        self._failed: Session | None = None

    def add(self, session: Session) -> None:
        """A visit, in whatever order they come."""
        if session.end is SessionEnd.FAILED:
            self._failed = _first(self._failed, session)
            return
        number = clicks(session)
        self._finished[number] += 1
        self._clicked[number] = _first(self._clicked.get(number), session)
        known, told = self._talkative, reviews(session)
        if known is None or told > reviews(known):
            self._talkative = session
        elif told == reviews(known):
            self._talkative = _first(known, session)

    def made(self) -> tuple[Chosen, ...]:
        """What is picked of those met so far."""
        reasons: dict[int, tuple[Session, list[str]]] = {}

        def pick(session: Session, reason: str) -> None:
            reasons.setdefault(id(session), (session, []))[1].append(reason)

        if self._finished:
            middle = median(self._finished.elements())
            near = min(self._clicked.items(), key=lambda one: (abs(one[0] - middle), one[1].key))
            pick(near[1], "median clicks")
        if self._talkative is not None and reviews(self._talkative):
            pick(self._talkative, "most reviews")
        if self._failed is not None:
            pick(self._failed, "failed")
        return tuple(Chosen(session, tuple(why)) for session, why in reasons.values())


def _first(known: Session | None, other: Session) -> Session:
    return other if known is None or other.key < known.key else known


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

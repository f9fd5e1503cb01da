"""One visit, page by page: the loop this project is about.

A recommender shows a page, the user answers it, and so on until the user leaves, the page limit is
reached, or a page goes unanswered. A failure ends this session as data; others never notice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .desk import Desk
from .errors import FailureCause, TurnFailed
from .history import interactions_of
from .noise import Noise, derive_seed
from .protocols import Visit
from .types import (
    Catalog,
    Failure,
    Interaction,
    Leave,
    RecRequest,
    Session,
    SessionEnd,
    SessionKey,
    Turn,
)


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds for every visit of a run.

    Attributes:
        k: items on a page.
        max_pages: the visit's limit.
        exclude_history: never show what the user already had (films yes, groceries no).
        exclude_shown: never show an item twice in a visit.
        like_stars: a simulated rating of at least this many stars counts as engagement.
    """

    k: int = 10
    max_pages: int = 5
    exclude_history: bool = True
    exclude_shown: bool = True
    like_stars: float = 3.5


async def run_session(
    key: SessionKey,
    *,
    desk: Desk,
    rules: Rules,
    catalog: Catalog,
    history: Sequence[Interaction],
    past: tuple[Session, ...],
    seed: int,
    attempt: int = 0,
) -> Session:
    """Run one visit to its end.

    Args:
        history: the user's interactions in the log, oldest first.
        past: the user's sessions of this arm in earlier rounds.
        seed: of the run; no draw depends on the arm.
    """
    noise = Noise(seed, key.user_id, key.round)
    known = [*history, *(i for s in past for i in interactions_of(s.turns, rules.like_stars))]
    hidden = {i.item_id for i in known} if rules.exclude_history else set()
    turns: list[Turn] = []
    end = SessionEnd.LIMIT
    while len(turns) < rules.max_pages:
        page, slate = len(turns), None
        try:
            slate = await desk.slate(key.arm, _request(key, page, rules, known, hidden, seed))
            if not slate.item_ids:
                if turns:
                    break  # everything allowed has been shown
                raise TurnFailed(FailureCause.RECOMMENDER, "an empty first page")
            visit = Visit(
                key.user_id, key.arm, key.round, page, past, tuple(turns), catalog, noise, attempt
            )
            response = await desk.respond(slate, visit)
        except TurnFailed as error:
            failure = Failure(error.cause, error.detail, error.completion_keys)
            turns.append(Turn(page, slate, failure))
            end = SessionEnd.FAILED
            break
        turns.append(Turn(page, slate, response))
        new = interactions_of(turns[-1:], rules.like_stars)
        known += new
        hidden.update(slate.item_ids if rules.exclude_shown else ())
        hidden.update((i.item_id for i in new) if rules.exclude_history else ())
        if isinstance(response.actions[-1], Leave):
            end = SessionEnd.LEFT
            break
    return Session(key, tuple(turns), end, attempt)


def _request(
    key: SessionKey, page: int, rules: Rules, known: list[Interaction], hidden: set[str], seed: int
) -> RecRequest:
    return RecRequest(
        user_id=key.user_id,
        k=rules.k,
        history=tuple(known),
        exclude=frozenset(hidden),
        context={"round": str(key.round), "page": str(page)},
        seed=derive_seed(seed, "slate", key.user_id, key.round, page),
    )

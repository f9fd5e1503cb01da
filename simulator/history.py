"""What a visit leaves behind: interactions, for the next request and for retraining."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from .types import Click, Event, Interaction, Purchase, Rate, Response, Session, Turn


def interactions_of(turns: Iterable[Turn], like_stars: float) -> list[Interaction]:
    """One interaction per engaged item and page, the strongest event of it: purchase, rate, click.

    Args:
        like_stars: a rating below this is an interaction that is not positive.
    """
    found: list[Interaction] = []
    for turn in turns:
        if isinstance(turn.outcome, Response):
            found += _of_response(turn.outcome, like_stars)
    return found


def _of_response(response: Response, like_stars: float) -> Iterable[Interaction]:
    engaged: dict[str, Interaction] = {}
    for action in response.actions:
        match action:
            case Click(item_id):
                engaged.setdefault(item_id, Interaction(item_id, Event.CLICK))
            case Rate(item_id, stars):
                liked = stars >= like_stars
                if (known := engaged.get(item_id)) is None or known.event is not Event.PURCHASE:
                    engaged[item_id] = Interaction(item_id, Event.RATE, stars, liked)
            case Purchase(item_id):
                engaged[item_id] = Interaction(item_id, Event.PURCHASE)
    return engaged.values()


def interaction_frame(
    sessions: Iterable[Session], like_stars: float, after: float = 0.0
) -> pd.DataFrame:
    """Interactions of sessions as rows of the log's columns, in canonical order.

    Args:
        sessions: of one arm, in any order; none is kept.
        after: a timestamp (seconds); row i of the result gets ``after + i + 1``, so that simulated
            events follow the log in order without a clock.
    """
    visits = [
        (session.key.user_id, session.key.round, list(interactions_of(session.turns, like_stars)))
        for session in sessions
    ]
    visits.sort(key=lambda visit: visit[:2])
    rows = [
        (user_id, i.item_id, i.event.value, float(i.value), i.positive)
        for user_id, _, found in visits
        for i in found
    ]
    frame = pd.DataFrame(rows, columns=["user_id", "item_id", "event", "value", "positive"])
    frame = frame.astype({"value": "float64", "positive": "bool"})
    frame["timestamp"] = after + 1.0 + frame.index.to_numpy(dtype="float64")
    return frame

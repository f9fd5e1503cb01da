"""Where recommenders learn: on the log before round 0, on their own sessions between rounds.

The state an arm has in a round is a pure function of the log and the stored sessions of earlier
rounds, so a resumed run meets the same recommenders, and audiences never share what was learned.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from itertools import chain

import pandas as pd

from .errors import FocusgroupError, UserError
from .history import interaction_frame
from .protocols import Recommender, Trainable, Updatable
from .types import Session

State = tuple[str, int]  # audience and number of rounds learned; ("", 0) after the log alone
_LOG_ONLY: State = ("", 0)
Lessons = Callable[[int], Iterable[Session]]  # an arm's sessions of a round


class Retrain(StrEnum):
    """What an arm does between rounds."""

    NONE = "none"
    FIT = "fit"
    PARTIAL_FIT = "partial_fit"


@dataclass(slots=True)
class School:
    """Brings every arm to the state it has at the start of a round.

    An arm that is Trainable is fitted on the log (if there is one). One that is only Updatable
    starts every audience as it was handed in. One that is neither never changes.
    """

    arms: Mapping[str, Recommender]
    retrain: Retrain
    log: pd.DataFrame | None
    items: pd.DataFrame | None
    users: pd.DataFrame | None
    like_stars: float
    _states: dict[str, State] = field(default_factory=dict)
    _current: dict[str, Recommender] = field(default_factory=dict)

    def at_round(
        self, audience: str, round_: int, sessions: Callable[[str, int], Iterable[Session]]
    ) -> dict[str, Recommender]:
        """The arms as they are in this round.

        Args:
            sessions: (arm, round) -> the audience's stored sessions of an earlier round, asked for
                where an arm learns from them.
        """
        rounds = round_ if self.retrain is not Retrain.NONE else 0
        for name in self.arms:
            self._advance(name, audience, rounds, partial(sessions, name))
        return dict(self._current)

    def _advance(self, name: str, audience: str, rounds: int, own: Lessons) -> None:
        wanted = (audience, rounds) if rounds else _LOG_ONLY
        known = self._states.get(name)
        if known == wanted:
            return
        self._states[name] = wanted
        if self.retrain is not Retrain.PARTIAL_FIT or not isinstance(self.arms[name], Updatable):
            self._fit(name, chain.from_iterable(map(own, range(rounds))))
            return
        if known is None or (known != _LOG_ONLY and known[0] != audience):
            self._fit(name, ())
            known = _LOG_ONLY
        learner = self._current[name]
        for past_round in range(known[1], rounds):
            if isinstance(learner, Updatable):
                new = self._frame(own(past_round))
                self._taught(name, partial(learner.partial_fit, new))

    def _fit(self, name: str, own: Iterable[Session]) -> None:
        recommender = self.arms[name]
        if isinstance(recommender, Trainable) and self.log is not None:
            log, lived = self.log, self._frame(own)
            if len(lived):
                log = pd.concat([log, lived], ignore_index=True)
            lesson = partial(recommender.fit, log, items=self.items, users=self.users)
            self._taught(name, lesson)
        elif isinstance(recommender, Updatable):
            recommender = copy.deepcopy(recommender)
        self._current[name] = recommender

    def _taught(self, name: str, lesson: Callable[[], object]) -> None:
        try:
            lesson()
        except FocusgroupError:
            raise
        except Exception as error:  # someone else's code, and nothing can be shown without it
            raise UserError(
                f"recommender {name!r} cannot learn: {type(error).__name__}: {error}. It is called"
                " as fit(interactions, items=..., users=...) and partial_fit(interactions)."
            ) from error

    def _frame(self, sessions: Iterable[Session]) -> pd.DataFrame:
        last = math.nan if self.log is None else float(self.log["timestamp"].max())
        return interaction_frame(sessions, self.like_stars, after=0.0 if math.isnan(last) else last)

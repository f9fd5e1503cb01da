"""Many sessions: every user of every audience meets every arm, round after round.

Audiences run one after the other and never share a recommender's state. The only barrier is the
end of a round (`round.py`), where each arm retrains on the log plus its own sessions. All that has
happened is in the store; nothing of it is kept here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import pandas as pd

from .errors import UserError
from .protocols import Recommender
from .round import Audience, RunRound, ignore, run_round, to_do
from .school import Retrain, School
from .session import Rules
from .store import MemoryStore, SessionStore
from .types import Catalog, Session


@dataclass(frozen=True, slots=True)
class RoundStart:
    """What a hook sees when a round starts; it may return another catalog for the round."""

    audience: str
    round: int
    catalog: Catalog


def _keep(start: RoundStart) -> Catalog:
    return start.catalog


@dataclass(slots=True)
class Simulation:
    """Built objects in, stored sessions out.

    Attributes:
        arms: name -> recommender. One that is Trainable is fitted on `log` first, if there is one.
        log: interactions the recommenders learn from; users of the audiences are not in it.
        concurrency: sessions in flight at once.
        on_round_start: called before each round; returns the catalog to show: the same items, at
            other prices or with other texts.
        on_session_end: called after each session, e.g. by a progress bar.
        run_round: how a round is run: here, or shared out over processes.
    """

    arms: Mapping[str, Recommender]
    audiences: Sequence[Audience]
    catalog: Catalog
    rules: Rules = field(default_factory=Rules)
    rounds: int = 1
    seed: int = 0
    concurrency: int = 256
    retrain: Retrain = Retrain.FIT
    log: pd.DataFrame | None = None
    items: pd.DataFrame | None = None
    users: pd.DataFrame | None = None
    store: SessionStore = field(default_factory=MemoryStore)
    on_round_start: Callable[[RoundStart], Catalog] = _keep
    on_session_end: Callable[[Session], None] = ignore
    run_round: RunRound = run_round

    def __post_init__(self) -> None:
        if self.rules.k > len(self.catalog):
            raise UserError(
                f"k: pages of {self.rules.k} items, but the catalogue has {len(self.catalog)};"
                f" set k to at most {len(self.catalog)}"
            )
        for name, value in (("rounds", self.rounds), ("concurrency", self.concurrency)):
            if value < 1:
                raise UserError(f"{name}: expected at least 1, got {value}")

    async def run(self, *, retry_failed: bool = False) -> int:
        """Run what the store does not hold yet; returns how many sessions were run.

        Args:
            retry_failed: run sessions that ended as failed once more.
        """
        school = School(
            self.arms, self.retrain, self.log, self.items, self.users, self.rules.like_stars
        )
        count = 0
        for audience in self.audiences:
            for round_ in range(self.rounds):
                count += await self._run_round(audience, round_, retry_failed, school)
        return count

    async def _run_round(
        self, audience: Audience, round_: int, retry_failed: bool, school: School
    ) -> int:
        store, name = self.store, audience.name
        finished = store.finished(name, round_)
        if next(to_do(audience, self.arms, round_, finished, retry_failed), None) is None:
            return 0
        if store.last_round(name) > round_:
            raise UserError(
                f"audience {name!r}: round {round_ + 1} has sessions to run, but later"
                " rounds are stored that followed from it. Failed sessions of earlier rounds cannot"
                " be retried; start a new run on the same journal."
            )
        arms = school.at_round(name, round_, partial(_of_arm, store, name))
        return await self.run_round(
            audience,
            round_,
            arms=arms,
            catalog=self.on_round_start(RoundStart(name, round_, self.catalog)),
            rules=self.rules,
            seed=self.seed,
            store=store,
            past=store.past(name, round_),
            finished=finished,
            retry_failed=retry_failed,
            concurrency=self.concurrency,
            on_session_end=self.on_session_end,
        )


def _of_arm(store: SessionStore, audience: str, arm: str, round_: int) -> Iterator[Session]:
    return store.scan(audience=audience, arm=arm, round=round_)

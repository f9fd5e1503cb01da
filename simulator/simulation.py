"""Many sessions: every user of every audience meets every arm, round after round.

Audiences run one after the other and never share a recommender's state. Within a round sessions
run at their own pace under one concurrency limit, those of one user together; the only barrier is
the end of a round, where each arm retrains on the log plus its own sessions.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from .desk import Desk
from .errors import UserError
from .protocols import BatchUserAgent, Recommender, UserAgent
from .school import Retrain, School
from .session import Rules, run_session
from .store import MemoryStore, SessionStore, unfinished
from .types import Catalog, Interaction, Session, SessionKey

Past = Mapping[tuple[str, str], tuple[Session, ...]]


@dataclass(frozen=True, slots=True)
class Audience:
    """A set of simulated users that answer through one agent.

    Attributes:
        history: a user's log interactions, oldest first; asked when a session starts.
        concurrency: sessions in flight at once, if fewer than the simulation allows.
    """

    name: str
    agent: UserAgent | BatchUserAgent
    user_ids: Sequence[str]
    history: Callable[[str], Sequence[Interaction]]
    concurrency: int | None = None


@dataclass(frozen=True, slots=True)
class RoundStart:
    """What a hook sees when a round starts; it may return another catalog for the round."""

    audience: str
    round: int
    catalog: Catalog


def _keep(start: RoundStart) -> Catalog:
    return start.catalog


def _ignore(_: Session) -> None:
    return None


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
    on_session_end: Callable[[Session], None] = _ignore

    def __post_init__(self) -> None:
        if self.rules.k > len(self.catalog):
            raise UserError(
                f"k: pages of {self.rules.k} items, but the catalogue has {len(self.catalog)};"
                f" set k to at most {len(self.catalog)}"
            )
        for name, value in (("rounds", self.rounds), ("concurrency", self.concurrency)):
            if value < 1:
                raise UserError(f"{name}: expected at least 1, got {value}")

    async def run(self, *, retry_failed: bool = False) -> list[Session]:
        """Run what the store does not hold yet, and return all sessions, sorted by key.

        Args:
            retry_failed: run sessions that ended as failed once more.
        """
        school = School(
            self.arms, self.retrain, self.log, self.items, self.users, self.rules.like_stars
        )
        for audience in self.audiences:
            for round_ in range(self.rounds):
                await self._run_round(audience, round_, retry_failed, school)
        return self.store.sessions()

    async def _run_round(
        self, audience: Audience, round_: int, retry_failed: bool, school: School
    ) -> None:
        stored = [s for s in self.store.sessions() if s.key.audience == audience.name]
        attempts = {
            s.key: s.attempt + 1 if unfinished(s, retry_failed) else None
            for s in stored
            if s.key.round == round_
        }
        todo = [k for k in self._keys(audience, round_) if attempts.get(k, 0) is not None]
        if not todo:
            return
        earlier = [s for s in stored if s.key.round < round_]
        if any(s.key.round > round_ for s in stored):
            raise UserError(
                f"audience {audience.name!r}: round {round_ + 1} has sessions to run, but later"
                " rounds are stored that followed from it. Failed sessions of earlier rounds cannot"
                " be retried; start a new run on the same journal."
            )
        arms = school.at_round(audience.name, round_, earlier)
        catalog = self.on_round_start(RoundStart(audience.name, round_, self.catalog))
        desk = Desk(arms, audience.agent, catalog)
        past = _by_user_and_arm(earlier)
        finished: list[Session] = []
        part_size = 512 if isinstance(audience.agent, BatchUserAgent) else 16
        queue = iter(todo)
        workers = min(self.concurrency, audience.concurrency or self.concurrency)

        async def work() -> None:
            for key in queue:
                session = await run_session(
                    key,
                    desk=desk,
                    rules=self.rules,
                    catalog=catalog,
                    history=audience.history(key.user_id),
                    past=past.get((key.user_id, key.arm), ()),
                    seed=self.seed,
                    attempt=attempts.get(key) or 0,
                )
                finished.append(session)
                if len(finished) >= part_size:
                    self.store.append(finished)
                    finished.clear()
                self.on_session_end(session)

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(workers, len(todo))):
                    group.create_task(work())
        except BaseExceptionGroup as group_error:
            raise group_error.exceptions[0] from group_error
        finally:
            self.store.append(finished)

    def _keys(self, audience: Audience, round_: int) -> Iterator[SessionKey]:
        for user_id in audience.user_ids:
            for arm in self.arms:
                yield SessionKey(audience.name, arm, user_id, round_)


def _by_user_and_arm(sessions: Sequence[Session]) -> Past:
    grouped: defaultdict[tuple[str, str], list[Session]] = defaultdict(list)
    for session in sessions:
        grouped[session.key.user_id, session.key.arm].append(session)
    return {key: tuple(sorted(g, key=lambda s: s.key.round)) for key, g in grouped.items()}

"""One round of one audience: every user meets every arm, at the arms' state of this round.

Sessions run at their own pace under one concurrency limit, those of one user together. What a
session needs is made when it starts; what came of it goes to the store and is forgotten.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from .desk import Desk
from .protocols import BatchUserAgent, Recommender, UserAgent
from .session import Rules, run_session
from .store import Past, SessionStore, Stored
from .types import Catalog, Interaction, Session, SessionEnd, SessionKey

# Sessions that go to the store at once: as many as are stored already, within these bounds. So a
# crash costs little of a short run, and a long one does not end in ten thousand files.
SMALLEST_PART, LARGEST_PART = 16, 512
_NEW_OBJECTS = 10_000  # between two looks for cycles among them


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


def nothing_past(_user_id: str, _arm: str) -> tuple[Session, ...]:
    """The past of all users in the first round."""
    return ()


def ignore(_: Session) -> None:
    """Nobody is told of a session."""


class RunRound(Protocol):
    """How a round is run: `run_round`, or something that shares it out."""

    async def __call__(
        self,
        audience: Audience,
        round_: int,
        *,
        arms: Mapping[str, Recommender],
        catalog: Catalog,
        rules: Rules,
        seed: int,
        store: SessionStore,
        past: Past,
        finished: Mapping[SessionKey, Stored],
        retry_failed: bool,
        concurrency: int,
        on_session_end: Callable[[Session], None],
    ) -> int: ...


async def run_round(
    audience: Audience,
    round_: int,
    *,
    arms: Mapping[str, Recommender],
    catalog: Catalog,
    rules: Rules,
    seed: int,
    store: SessionStore,
    past: Past = nothing_past,
    finished: Mapping[SessionKey, Stored] | None = None,
    retry_failed: bool = False,
    concurrency: int = 256,
    on_session_end: Callable[[Session], None] = ignore,
) -> int:
    """Run the sessions of a round that are not finished; returns how many were run.

    A session depends on its own key, past and arm alone, so a round of some of an audience's users
    gives the same sessions as the round of all of them.

    Args:
        arms: as they are in this round. catalog: as it is shown in this round.
        store: where the sessions go, in parts; also those that ended before an error.
        past: a user's sessions of an arm in earlier rounds; asked when a session starts.
        finished: what need not be run; `retry_failed`: but for what ended as failed.
        on_session_end: called after each session, e.g. by a progress bar.

    Raises:
        FocusgroupError: something stops the run, e.g. a budget is spent.
    """
    desk = Desk(arms, audience.agent, catalog)
    history = lru_cache(maxsize=1)(audience.history)  # asked once for all arms of a user
    queue = to_do(audience, arms, round_, finished or {}, retry_failed)
    part: list[Session] = []
    stored = 0

    async def work() -> None:
        nonlocal stored
        for key, attempt in queue:
            session = await run_session(
                key,
                desk=desk,
                rules=rules,
                catalog=catalog,
                history=history(key.user_id),
                past=past(key.user_id, key.arm),
                seed=seed,
                attempt=attempt,
            )
            part.append(session)
            if len(part) >= min(LARGEST_PART, max(SMALLEST_PART, stored)):
                store.append(part)
                stored += len(part)
                part.clear()
            on_session_end(session)

    try:
        with _settled():
            async with asyncio.TaskGroup() as group:
                for _ in range(min(concurrency, audience.concurrency or concurrency)):
                    group.create_task(work())
    except BaseExceptionGroup as group_error:
        raise group_error.exceptions[0] from group_error
    finally:
        store.append(part)
    return stored + len(part)


@contextmanager
def _settled() -> Iterator[None]:
    """Spares the garbage collector what is there already: catalogue, models, modules.

    Sessions are many small objects, and each full collection on their account would look through
    all the rest again: half the time of a run. Hardly any of them is part of a cycle, so it looks
    less often as well. (Where rounds overlap, that may stay so: it does no harm.)
    """
    usual = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS, *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)
        gc.unfreeze()


def to_do(
    audience: Audience,
    arms: Iterable[str],
    round_: int,
    finished: Mapping[SessionKey, Stored],
    retry_failed: bool,
) -> Iterator[tuple[SessionKey, int]]:
    """(key, attempt) of each session to run, those of one user together."""
    for user_id in audience.user_ids:
        for arm in arms:
            key = SessionKey(audience.name, arm, user_id, round_)
            if (stored := finished.get(key)) is None:
                yield key, 0
            elif retry_failed and stored.end is SessionEnd.FAILED:
                yield key, stored.attempt + 1

"""One shard's share of a round, from the head: it gets done, whatever becomes of its workers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from focusgroup.agents.llm import JournaledLLM
from focusgroup.simulator import (
    RunStopped,
    Session,
    SessionEnd,
    SessionKey,
    SessionStore,
    UserError,
)
from focusgroup.simulator.store import Stored

from .crew import Crew, Packed, ShardLost
from .messages import Job
from .shard import identity
from .watch import Watch

MOST_DEATHS = 3  # of a shard in a row, without an answer or a session in between


@dataclass(frozen=True, slots=True)
class Brief:
    """What all shards of a round are given alike.

    Attributes:
        model: who answers for the audience, or None if nobody is asked.
        store: where sessions go. on_session_end: called for each.
    """

    audience: Packed
    arms: Packed
    shown: Packed
    model: JournaledLLM | None
    store: SessionStore
    on_session_end: Callable[[Session], None]


class Post:
    """Runs the share of one shard in one round."""

    def __init__(self, number: int, crew: Crew, brief: Brief, job: Job) -> None:
        self._number, self._crew, self._brief, self._job = number, crew, brief, job
        self._ran: dict[SessionKey, Stored] = {}

    async def run(self) -> int:
        """Returns how many sessions were run.

        Raises:
            UserError: as the sessions; or no worker of the run can be started.
            RunStopped: as the sessions; or workers die again and again.
        """
        deaths, brief = 0, self._brief
        while True:
            watch: Watch | None = None
            try:
                worker = await self._crew.worker(self._number)
                watch = Watch(worker, brief.model, self._keep, brief.on_session_end)
                await worker.begin(brief.audience, brief.arms, brief.shown, self._left())
                await watch.serve()
            except ShardLost as lost:
                self._crew.lost(self._number)
                deaths = 1 if watch is not None and watch.progress else deaths + 1
                if deaths >= MOST_DEATHS:
                    raise self._hopeless(deaths, lost) from lost
            else:
                return len(self._ran)

    def _hopeless(self, deaths: int, lost: ShardLost) -> UserError | RunStopped:
        if not self._crew.worked:
            return UserError(
                f"--ray: no actor can be started: {lost}. Every machine of the cluster needs"
                f" {identity()}, and its extras"
            )
        return RunStopped(
            f"shard {self._number + 1} died {deaths} times without getting anywhere,"
            f" last: {lost}; what is stored can be resumed"
        )

    def _keep(self, sessions: tuple[Session, ...]) -> None:
        self._brief.store.append(sessions)
        for session in sessions:
            self._ran[session.key] = Stored(session.attempt, session.end)

    def _left(self) -> Job:
        """The job without what an earlier worker has finished.

        A session that failed once more is not to be retried a second time, so it is handed on as
        one that did not fail.
        """
        ran = {key: Stored(s.attempt, SessionEnd.LIMIT) for key, s in self._ran.items()}
        return replace(self._job, finished={**self._job.finished, **ran})

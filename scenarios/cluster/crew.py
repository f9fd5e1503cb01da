"""The workers of a run: started when they are needed, replaced when they die."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from focusgroup.simulator import UserError

from .messages import FromHead, FromShard, Job
from .shard import identity


class ShardLost(Exception):
    """A worker died, or cannot be reached."""


class Packed(Protocol):
    """Bytes that were handed to the cluster once, for all its workers."""


class Worker(Protocol):
    """A `Shard` in another process. Every method but `kill` raises ShardLost."""

    async def hello(self) -> str: ...
    async def begin(self, audience: Packed, arms: Packed, shown: Packed, job: Job) -> None: ...
    async def collect(self) -> list[FromShard]: ...
    async def deliver(self, messages: Sequence[FromHead]) -> None: ...
    async def halt(self) -> None: ...
    async def close(self) -> None: ...
    def kill(self) -> None: ...


class Cluster(Protocol):
    """Where workers live."""

    @property
    def actors(self) -> int:
        """How many workers to use."""
        ...

    def pack(self, what: object, name: str) -> Packed:
        """Ship a value to wherever it will be needed. Raises UserError if it cannot be pickled."""
        ...

    def start(self) -> Worker: ...


class Crew:
    """The workers of one run, by number.

    Attributes:
        worked: whether any of them was ever there.
    """

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.worked = False
        self._workers: dict[int, Worker] = {}

    async def worker(self, number: int) -> Worker:
        """The worker of that number, started if there is none.

        Raises:
            UserError: it is of another version.
            ShardLost: it died at once.
        """
        if number not in self._workers:
            worker = self.cluster.start()
            self._workers[number] = worker
            found = await worker.hello()
            if found != identity():
                raise UserError(
                    f"--ray: the run is started by {identity()}, but a machine of the cluster has"
                    f" {found}; install the same on all of them"
                )
            self.worked = True
        return self._workers[number]

    def lost(self, number: int) -> None:
        """The worker died, or is to: another takes its place when it is asked for."""
        worker = self._workers.pop(number, None)
        if worker is not None:
            worker.kill()

    async def dismiss(self) -> None:
        """Close all workers."""
        workers = list(self._workers.values())
        self._workers.clear()
        ends = await asyncio.gather(*(w.close() for w in workers), return_exceptions=True)
        for end in ends:
            # One that is gone already is what was wanted.
            if isinstance(end, BaseException) and not isinstance(end, ShardLost):
                raise end

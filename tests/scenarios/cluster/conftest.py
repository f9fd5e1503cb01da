"""A cluster without Ray: shards in this process, all they say and hear pickled."""

from __future__ import annotations

import asyncio
import json
import pickle
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from focusgroup.scenarios.batch import start_run
from focusgroup.scenarios.cluster.crew import ShardLost
from focusgroup.scenarios.cluster.messages import FromHead, FromShard, Job
from focusgroup.scenarios.cluster.shard import Shard
from focusgroup.scenarios.finished import FinishedRun
from focusgroup.scenarios.options import Options
from focusgroup.scenarios.rundir import RunDirectory
from focusgroup.scenarios.scenario import scenario_from
from focusgroup.simulator import UserError


class LocalWorker:
    """A shard in this process that dies after it has said so many messages; -1: as it starts."""

    def __init__(self, life: int | None, jobs: list[Job]) -> None:
        self._shard = Shard()
        self._jobs = jobs
        self._life = life
        self._dead = False

    async def hello(self) -> str:
        if self._life == -1:
            raise ShardLost("never there")
        return await self._shard.hello()

    async def begin(self, audience: Any, arms: Any, shown: Any, job: Job) -> None:
        self._jobs.append(job)
        await self._alive(self._shard.begin(audience, arms, shown, _sent(job)))

    async def collect(self) -> list[FromShard]:
        if self._life is not None and self._life <= 0:
            await self._shard.close()
            self._dead = True
            raise ShardLost("told to die")
        said: list[FromShard] = _sent(await self._alive(self._shard.collect()))
        if self._life is not None:
            self._life -= len(said)
        return said

    async def deliver(self, messages: Sequence[FromHead]) -> None:
        await self._alive(self._shard.deliver(_sent(messages)))

    async def halt(self) -> None:
        await self._alive(self._shard.halt())

    async def close(self) -> None:
        await self._shard.close()

    def kill(self) -> None:
        self._dead = True

    async def _alive(self, work: Any) -> Any:
        if self._dead:
            work.close()
            raise ShardLost("dead")
        # A call in another process goes on, whatever becomes of who waits for it.
        return await asyncio.shield(asyncio.ensure_future(work))


class LocalCluster:
    """Starts workers; `lives` says after how many messages each of the first ones dies. `jobs`: all
    that were begun."""

    def __init__(self, actors: int, lives: Sequence[int] = ()) -> None:
        self.actors = actors
        self.started = 0
        self.jobs: list[Job] = []
        self._lives = list(lives)

    def pack(self, what: object, name: str) -> Any:
        try:
            return pickle.dumps(what)
        except Exception as error:
            raise UserError(f"{name} cannot be sent") from error

    def start(self) -> LocalWorker:
        self.started += 1
        return LocalWorker(self._lives.pop(0) if self._lives else None, self.jobs)


def _sent(message: Any) -> Any:
    return pickle.loads(pickle.dumps(message))


@pytest.fixture
def local_cluster() -> type[LocalCluster]:
    return LocalCluster


@pytest.fixture
def start(world: Path) -> Callable[..., FinishedRun]:
    """Runs the two-tastes world in `world / name`."""

    def run(name: str, audience: dict[str, object], **options: Any) -> FinishedRun:
        more = options.pop("more", {})
        scenario = scenario_from(
            {
                "title": "Two tastes",
                "data": {"name": str(world / "log.yaml"), "min_history": 5},
                "page": {"k": 5, "pages": 3},
                "recommenders": ["random", "popularity", "item_knn"],
                "audiences": {"everyone": audience},
                "primary": "click_rate",
                **more,
            },
            "test",
        )
        ready = options.pop("recommenders", None)
        return start_run(
            scenario,
            RunDirectory.fresh(world / name),
            name,
            Options(folder=world, report=False, **options),
            lambda: "now",
            recommenders=ready,
        )

    return run


@pytest.fixture
def server(start_server: Callable[..., Any]) -> Iterator[Any]:
    with start_server() as running:
        yield running


@pytest.fixture
def silent() -> dict[str, object]:
    return {"agent": "behaviour", "users": 20}


@pytest.fixture
def speaking(server: Any) -> dict[str, object]:
    """Eight users that speak through the server."""
    speakers = {"agent": "llm", "users": 8, "style": "answer", "reviews": 0.3, "interview": True}
    return {**speakers, "llm": f"openai:demo-model@{server.url}"}


@pytest.fixture
def stored() -> Callable[[FinishedRun], int]:
    """How many sessions lie in the parts, those stored twice counted twice."""
    return lambda run: len(list(run.directory.store(writing=False).scan()))


@pytest.fixture
def calls(server: Any) -> Callable[[], Counter[str]]:
    """How often each page was asked about; a probe is none."""

    def count() -> Counter[str]:
        asked = (json.dumps([b["messages"], b.get("seed")]) for b in server.seen())
        return Counter(one for one in asked if "water" not in one)

    return count

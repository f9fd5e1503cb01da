"""What stops a shared run stops all of it, once, and what was done by then is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from focusgroup.agents.llm import (
    Budget,
    Completion,
    CompletionRequest,
    Journal,
    JournaledLLM,
    Message,
    ScriptedLLM,
)
from focusgroup.scenarios.batch import resume_run
from focusgroup.scenarios.cluster import shard as shard_module
from focusgroup.scenarios.cluster import watch as watch_module
from focusgroup.scenarios.cluster.crew import ShardLost
from focusgroup.scenarios.cluster.messages import (
    Ask,
    Came,
    Ended,
    FromHead,
    FromShard,
    Go,
    Halted,
    Ran,
)
from focusgroup.scenarios.cluster.relay import RelayLLM
from focusgroup.scenarios.cluster.watch import Watch
from focusgroup.scenarios.finished import FinishedRun
from focusgroup.scenarios.options import Options
from focusgroup.scenarios.rundir import RunDirectory
from focusgroup.simulator import RunStopped, Session, UserError

Start = Callable[..., FinishedRun]


def test_a_budget_holds_for_all_shards_together(
    start: Start, local_cluster: Any, calls: Any, speaking: Any, world: Path
) -> None:
    budget = Budget(max_tokens=6000)
    with pytest.raises(RunStopped, match="the budget is spent"):
        start("run", speaking, cluster=local_cluster(4), budget=budget)
    directory = RunDirectory.existing(world / "run")
    paid = calls()
    resumed = resume_run(directory, Options(folder=world, report=False), lambda: "later")
    assert 0 < paid.total() < resumed.spent.calls + resumed.spent.hits
    assert resumed.tokens.prompt + resumed.tokens.completion > budget.max_tokens
    assert resumed.sessions == start("alone", speaking).sessions


def test_what_only_one_shard_meets_stops_all_with_its_own_words(
    start: Start, local_cluster: Any, speaking: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(*_: object) -> None:
        raise UserError("this machine cannot reach the server")

    monkeypatch.setattr(shard_module, "open_llm", closed)
    with pytest.raises(UserError, match=r"^this machine cannot reach the server$"):
        start("run", speaking, cluster=local_cluster(3))


def test_a_machine_with_another_model_is_refused(
    start: Start, local_cluster: Any, speaking: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = ScriptedLLM(lambda _: "yes", fingerprint="another")
    monkeypatch.setattr(shard_module, "open_llm", lambda *_: other)
    with pytest.raises(UserError, match=r"'another'.*every machine needs the same model"):
        start("run", speaking, cluster=local_cluster(2))


def test_sessions_that_ended_before_a_stop_are_kept(
    start: Start, local_cluster: Any, speaking: Any, world: Path
) -> None:
    """They lay in the shard, too few for a part."""
    with pytest.raises(RunStopped, match="the budget is spent"):
        start(
            "run",
            speaking,
            cluster=local_cluster(1),
            concurrency=1,
            budget=Budget(max_tokens=8000),
        )
    directory = RunDirectory.existing(world / "run")
    kept = directory.store(writing=False).sessions()
    assert 5 <= len(kept) < 16
    resumed = resume_run(directory, Options(folder=world, report=False), lambda: "later")
    assert [s for s in resumed.sessions if s in kept] == kept


class ToldToStop:
    """A worker that asks once; its answer comes with the session that stops the run."""

    def __init__(self, request: CompletionRequest, session: Session) -> None:
        self._session = session
        self._said: asyncio.Queue[list[FromShard]] = asyncio.Queue()
        self._said.put_nowait([Ask(0, request)])

    async def collect(self) -> list[FromShard]:
        return await self._said.get()

    async def deliver(self, messages: Sequence[FromHead]) -> None:
        if Go(0) in messages:
            self._said.put_nowait([Ran((self._session,)), Came(0, Completion("yes")), Ended()])

    async def halt(self) -> None:
        self._said.put_nowait([Ran((self._session,)), Halted()])


def test_an_answer_that_comes_with_what_stops_the_run_is_journaled(
    start: Start, silent: Any, tmp_path: Path
) -> None:
    request = CompletionRequest((Message("user", "Well?"),))
    session, kept = start("silent", silent).sessions[0], list[Session]()

    def told(_: Session) -> None:
        raise RunStopped("enough")

    async def serve(model: JournaledLLM) -> None:
        worker: Any = ToldToStop(request, session)
        with pytest.raises(RunStopped, match="enough"):
            await Watch(worker, model, kept.extend, told).serve()
        await model.aclose()

    with Journal(tmp_path / "j.sqlite") as journal:
        here = RelayLLM(ScriptedLLM(lambda _: "asked here"))
        model = JournaledLLM(here, journal)
        asyncio.run(serve(model))
        stored = journal.get(request.key(model.fingerprint))
    assert stored is not None and stored.text == "yes"
    assert kept == [session, session]


class Deaf:
    """A worker that ends with an error and does not hear that it is to halt."""

    async def collect(self) -> list[FromShard]:
        return [Ended(RunStopped("enough"))]

    async def halt(self) -> None:
        await asyncio.Event().wait()


def test_a_shard_that_does_not_hear_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_module, "HALT_SECONDS", 0.01)
    worker: Any = Deaf()
    with pytest.raises(RunStopped, match="enough"):
        asyncio.run(Watch(worker, None, lambda _: None, lambda _: None).serve())


class Dead:
    """A worker that is gone."""

    async def collect(self) -> list[FromShard]:
        raise ShardLost("gone")


def test_a_call_that_waited_for_money_when_its_shard_died_is_given_up() -> None:
    """Others may be waiting for its answer."""
    worker: Any = Dead()
    watch = Watch(worker, None, lambda _: None, lambda _: None)

    async def call_late() -> None:
        with pytest.raises(ShardLost, match="gone"):
            await watch.serve()
        async with asyncio.timeout(10):
            await watch.called(0)

    with pytest.raises(ShardLost, match="is gone"):
        asyncio.run(call_late())

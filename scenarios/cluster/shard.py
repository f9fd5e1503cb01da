"""The shard: runs its users' sessions and calls the language model, and keeps nothing."""

from __future__ import annotations

import asyncio
import itertools
import pickle
import platform
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import replace
from functools import partial
from importlib.metadata import version

from focusgroup.agents import LLMUser
from focusgroup.agents.llm import LLM, Capabilities, Completion, CompletionRequest, parse_llm
from focusgroup.agents.llm.registry import open_llm
from focusgroup.simulator import Audience, MemoryStore, Session, UserError
from focusgroup.simulator.round import nothing_past, run_round

from .messages import Answer, Ask, Came, Ended, FromHead, FromShard, Go, Halted, Job, Ran, portable
from .shipped_past import ShippedPast

AskHead = Callable[[CompletionRequest], Awaitable[Completion]]


class DistantLLM:
    """The language model as a shard's users know it: whatever they ask goes to the head.

    It is shipped without a shard, and plugged in where it arrives.
    """

    def __init__(self, fingerprint: str) -> None:
        self._fingerprint = fingerprint
        self._ask: AskHead | None = None

    @property
    def fingerprint(self) -> str:
        return self._fingerprint

    def plug(self, ask: AskHead) -> None:
        """Connect it to the shard it arrived at."""
        self._ask = ask

    async def complete(self, request: CompletionRequest) -> Completion:
        if self._ask is None:
            raise RuntimeError("this model is not plugged in")
        return await self._ask(request)

    async def capabilities(self) -> Capabilities:
        raise RuntimeError("capabilities are asked before a run is shared out")

    async def aclose(self) -> None:
        return None


class _Outgoing(MemoryStore):
    """A store whose sessions go to the head at once."""

    def __init__(self, say: Callable[[FromShard], None]) -> None:
        super().__init__()
        self._say = say

    def append(self, sessions: Sequence[Session]) -> None:
        if sessions:
            self._say(Ran(tuple(sessions)))


def identity() -> str:
    """What head and shards must have in common."""
    return f"focusgroup {version('focusgroup')} on Python {platform.python_version()}"


class Shard:
    """One worker; its methods are called by the head, many at a time."""

    def __init__(self) -> None:
        self._outbox: list[FromShard] = []
        self._spoken = asyncio.Event()
        self._numbers = itertools.count()
        self._asked: dict[int, tuple[CompletionRequest, asyncio.Future[Completion]]] = {}
        self._model: asyncio.Task[LLM] | None = None
        self._open: Callable[[], Coroutine[None, None, LLM]] | None = None
        self._named = ""
        self._tasks: set[asyncio.Task[None]] = set()
        self._round: asyncio.Task[None] | None = None

    async def hello(self) -> str:
        """Says that it is there, and of which version."""
        return identity()

    async def begin(self, audience: bytes, arms: bytes, shown: bytes, job: Job) -> None:
        """Start on a share of a round; all bytes are pickles made by the head of this very run.

        Args:
            audience: an `Audience`. arms: name -> recommender. shown: (catalog, rules).
        """
        everybody: Audience = pickle.loads(audience)  # noqa: S301 - our own, over Ray's channel
        recommenders = pickle.loads(arms)  # noqa: S301
        catalog, rules = pickle.loads(shown)  # noqa: S301
        agent = everybody.agent
        if isinstance(agent, LLMUser) and isinstance(agent.llm, DistantLLM):
            agent.llm.plug(self._ask)
            await self._forget(job.model)
            self._open = partial(_opened, job, agent.llm.fingerprint)

        async def work() -> None:
            error: Exception | None = None
            try:
                await run_round(
                    replace(everybody, user_ids=job.user_ids),
                    job.round,
                    arms=recommenders,
                    catalog=catalog,
                    rules=rules,
                    seed=job.seed,
                    store=_Outgoing(self._say),
                    past=nothing_past if job.past is None else ShippedPast(job.past),
                    finished=job.finished,
                    retry_failed=job.retry_failed,
                    concurrency=job.concurrency,
                )
            except Exception as caught:  # noqa: BLE001 - the head raises it
                error = portable(caught)
            self._say(Ended(error))

        self._round = asyncio.create_task(work())

    async def collect(self) -> list[FromShard]:
        """What the shard has to say, once there is something."""
        await self._spoken.wait()
        said, self._outbox = self._outbox, []
        self._spoken.clear()
        return said

    async def deliver(self, messages: Sequence[FromHead]) -> None:
        """What the head has to say."""
        for message in messages:
            asked = self._asked.get(message.call)
            if asked is None or asked[1].done():
                continue
            request, future = asked
            match message:
                case Go(call):
                    task = asyncio.create_task(self._call(call, request))
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)
                case Answer(_, Completion() as completion):
                    future.set_result(completion)
                case Answer(_, Exception() as error):
                    future.set_exception(error)

    async def halt(self) -> None:
        """Stop where it is; says what was left to say, sessions that have ended among it."""
        await self._stop()
        self._say(Halted())

    async def close(self) -> None:
        """Stop, and close the model."""
        await self._stop()
        opening, self._model = self._model, None
        if opening is None:
            return
        opening.cancel()  # if it is still being opened
        (model,) = await asyncio.gather(opening, return_exceptions=True)
        if not isinstance(model, BaseException):
            await model.aclose()

    def _say(self, message: FromShard) -> None:
        self._outbox.append(message)
        self._spoken.set()

    async def _stop(self) -> None:
        tasks = [*self._tasks, *([] if self._round is None else [self._round])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _ask(self, request: CompletionRequest) -> Completion:
        call = next(self._numbers)
        future: asyncio.Future[Completion] = asyncio.get_running_loop().create_future()
        self._asked[call] = request, future
        self._say(Ask(call, request))
        try:
            return await future
        finally:
            del self._asked[call]

    async def _call(self, call: int, request: CompletionRequest) -> None:
        try:
            model = await asyncio.shield(self._opening())
            outcome: Completion | Exception = await model.complete(request)
        except Exception as caught:  # noqa: BLE001 - the head raises it
            outcome = portable(caught)
        self._say(Came(call, outcome))

    def _opening(self) -> asyncio.Task[LLM]:
        """The model is opened by the first call: what is replayed from a journal needs none."""
        if self._model is None:
            if self._open is None:
                raise RuntimeError("a call in an audience without a language model")
            self._model = asyncio.create_task(self._open())
        return self._model

    async def _forget(self, model: str) -> None:
        if self._named != model:
            await self.close()
            self._named = model


async def _opened(job: Job, fingerprint: str) -> LLM:
    """The model, probed; its own server may be out of this machine's reach."""
    spec = parse_llm(job.model)
    if spec is None:
        raise UserError("no model, and somebody asks for one")
    model = open_llm(spec, job.options)
    try:
        await model.capabilities()
        if model.fingerprint != fingerprint:
            raise UserError(
                f"{job.model}: on {platform.node()} this is {model.fingerprint!r}, where the run"
                f" was started {fingerprint!r}; every machine needs the same model"
            )
    except BaseException:
        await model.aclose()
        raise
    return model

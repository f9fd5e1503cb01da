"""The head's side of one worker, for as long as it lives: answers it, keeps what it has done."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from focusgroup.agents.llm import Completion, JournaledLLM, TransportError
from focusgroup.simulator import Session

from .crew import ShardLost, Worker
from .messages import Answer, Ask, Came, Ended, FromHead, FromShard, Go, Halted, Ran
from .relay import on_behalf_of

HALT_SECONDS = 10.0

Keep = Callable[[tuple[Session, ...]], None]


@dataclass(frozen=True, slots=True)
class _Asking:
    """One question of the worker."""

    watch: Watch
    number: int

    async def call(self) -> Completion:
        return await self.watch.called(self.number)


class Watch:
    """Serves one worker until its share is done or it is lost.

    Args:
        model: behind the journal and the budget, with a relay in the model's place; None if nobody
            is asked.
        keep: stores sessions that ended. told: called for each of them, but not while the run is
            being stopped; it may stop the run.

    Attributes:
        progress: whether an answer or a session came.
    """

    def __init__(
        self,
        worker: Worker,
        model: JournaledLLM | None,
        keep: Keep,
        told: Callable[[Session], None],
    ) -> None:
        self.progress = False
        self._worker, self._model, self._keep, self._told = worker, model, keep, told
        self._called: dict[int, asyncio.Future[Completion]] = {}
        self._collecting: asyncio.Task[list[FromShard]] | None = None
        self._unheard: deque[FromShard] = deque()
        self._to_say: list[FromHead] = []
        self._spoken = asyncio.Event()
        self._over: ShardLost | None = None

    async def serve(self) -> None:
        """Talk to a worker that has begun.

        Raises:
            ShardLost: it died.
            UserError, RunStopped: something stops the run; what the worker had done is kept.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                sender = tasks.create_task(self._send())
                await self._listen(tasks)
                sender.cancel()
        except BaseExceptionGroup as group:
            first = group.exceptions[0]
            if not isinstance(first, ShardLost):
                await self._halt()
            raise first from group
        except asyncio.CancelledError:
            await self._halt()
            raise
        finally:
            self._give_up_calls()
            if self._collecting is not None:
                self._collecting.cancel()

    async def called(self, number: int) -> Completion:
        """What the model says to the worker's question. Raises as the model, and ShardLost."""
        if self._over is not None:
            raise self._over
        future: asyncio.Future[Completion] = asyncio.get_running_loop().create_future()
        self._called[number] = future
        self._say(Go(number))
        return await future

    async def _listen(self, tasks: asyncio.TaskGroup) -> None:
        while True:
            match await self._heard():
                case Ask() as ask:
                    tasks.create_task(self._answer(ask))
                case Came(number, outcome):
                    self.progress = True
                    self._came(number, outcome)
                case Ran(sessions):
                    self.progress = True
                    self._keep(sessions)
                    for session in sessions:
                        self._told(session)
                case Ended(None):
                    return
                case Ended(Exception() as error):
                    raise error

    async def _heard(self) -> FromShard:
        """What the worker says next. It says nothing twice, so what it says while the listener is
        being cancelled is kept for who listens then."""
        while not self._unheard:
            if self._collecting is None:
                self._collecting = asyncio.create_task(self._collect())
                self._collecting.add_done_callback(_noticed)
            said = await asyncio.shield(self._collecting)
            self._collecting = None
            self._unheard.extend(said)
        return self._unheard.popleft()

    async def _collect(self) -> list[FromShard]:
        return await self._worker.collect()

    async def _send(self) -> None:
        while True:
            await self._spoken.wait()
            said, self._to_say = self._to_say, []
            self._spoken.clear()
            await self._worker.deliver(said)

    async def _answer(self, ask: Ask) -> None:
        if self._model is None:
            raise RuntimeError("an audience without a language model asks for one")
        while True:
            try:
                with on_behalf_of(_Asking(self, ask.call)):
                    outcome: Completion | Exception = await self._model.complete(ask.request)
            except TransportError as error:
                outcome = error
            except ShardLost:
                if self._over is not None:
                    raise
                continue  # another shard was calling for the same answer, and died
            self._say(Answer(ask.call, outcome))
            return

    def _came(self, number: int, outcome: Completion | Exception) -> None:
        future = self._called.pop(number, None)
        if future is None or future.done():
            return
        if isinstance(outcome, Completion):
            future.set_result(outcome)
        else:
            future.set_exception(outcome)

    def _say(self, message: FromHead) -> None:
        self._to_say.append(message)
        self._spoken.set()

    async def _halt(self) -> None:
        try:
            async with asyncio.timeout(HALT_SECONDS):
                await self._worker.halt()
                while not isinstance(message := await self._heard(), Halted):
                    if isinstance(message, Came):
                        self._came(message.call, message.outcome)  # paid for: into the journal
                    elif isinstance(message, Ran):
                        self._keep(message.sessions)
        except (ShardLost, TimeoutError):
            return  # its sessions are simulated again, from the journal

    def _give_up_calls(self) -> None:
        self._over = ShardLost("the shard that was calling the model is gone")
        for future in self._called.values():
            if not future.done():
                future.set_exception(self._over)
                future.exception()  # whoever waited may have been cancelled
        self._called.clear()


def _noticed(collecting: asyncio.Task[list[FromShard]]) -> None:
    """A worker that died is no news to who has stopped to listen."""
    if not collecting.cancelled():
        collecting.exception()

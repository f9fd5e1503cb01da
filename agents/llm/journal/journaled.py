"""A language model behind a journal: record what it says, replay it without asking again."""

from __future__ import annotations

import asyncio
import json
from enum import StrEnum

from focusgroup.agents.llm.protocol import (
    LLM,
    Capabilities,
    Completion,
    CompletionRequest,
    servers_away,
)
from focusgroup.simulator.errors import UserError

from .journal import Journal
from .rows import capabilities_key


class JournalMode(StrEnum):
    """What the journal is for in this run."""

    RECORD = "record"
    REPLAY = "replay"
    OFF = "off"


class JournaledLLM:
    """Answers from the journal; what is not there is asked once, committed, then used.

    RECORD asks the model on a miss, REPLAY never asks it, OFF neither reads nor writes. Malformed
    replies are answers and are kept; a `TransportError` is none and is not. Identical requests that
    wait at the same time share one call. If everything is in the journal, the model is not even
    probed.

    Args:
        inner: the model, or None to replay without one.
        fingerprint: needed only without `inner`: the fingerprint of the model that was recorded.

    Attributes:
        hits: answers that cost no call (from the journal, or shared with a call under way).
        calls: requests that were sent to the model.
    """

    def __init__(
        self,
        inner: LLM | None,
        journal: Journal,
        mode: JournalMode = JournalMode.RECORD,
        *,
        fingerprint: str = "",
    ) -> None:
        if inner is None and mode is not JournalMode.REPLAY:
            raise ValueError(f"mode {mode.value!r} needs a model to ask")
        if inner is None and not fingerprint:
            raise ValueError("a replay without a model needs the fingerprint of the recorded one")
        self.hits = 0
        self.calls = 0
        self.mode = mode
        self._inner = inner
        self._journal = journal
        self._fingerprint = fingerprint or (inner.fingerprint if inner else "")
        self._probed: Capabilities | None = None
        self._probing = asyncio.Lock()
        self._under_way: dict[str, asyncio.Task[Completion]] = {}

    @property
    def fingerprint(self) -> str:
        return self._fingerprint

    async def complete(self, request: CompletionRequest) -> Completion:
        """The stored answer, or a new one that is committed before it is returned.

        Raises:
            UserError: REPLAY, and the journal has no answer.
            TransportError, RunStopped: as the model.
        """
        if self.mode is JournalMode.OFF:
            self.calls += 1
            return await self._model.complete(request)
        key = request.key(self._fingerprint)
        stored = self._journal.get(key)
        if stored is not None:
            self.hits += 1
            return stored
        if self.mode is JournalMode.REPLAY:
            raise UserError(_miss(self._journal, self._fingerprint, request, key))
        task = self._under_way.get(key)
        if task is None:
            self.calls += 1
            task = asyncio.create_task(self._ask(key, request))
            self._under_way[key] = task
            task.add_done_callback(lambda done: self._settle(key, done))
        else:
            self.hits += 1
        # One waiter that is cancelled must not take the answer from the others.
        return await asyncio.shield(task)

    async def capabilities(self) -> Capabilities:
        """As recorded, else as the model says (and recorded).

        Raises:
            UserError: as the model; or REPLAY, and the journal has none.
        """
        if self.mode is JournalMode.OFF:
            return await self._model.capabilities()
        recorded = self._recorded_capabilities()
        if self.mode is JournalMode.REPLAY:
            if recorded is None:
                raise UserError(
                    f"replay: journal {self._journal.path} knows nothing of model "
                    f"{self._fingerprint!r}; replay with the --llm of the recorded run"
                )
            return recorded
        # What a server once lacked it may have learned since, so only a full record is trusted.
        if recorded is not None and recorded.json_schema and recorded.logprobs:
            return recorded
        return await self._probe()

    def away(self) -> tuple[str, ...]:
        return servers_away(self._inner)

    async def aclose(self) -> None:
        """Gives up calls under way and closes the model; the journal stays open."""
        for task in list(self._under_way.values()):
            task.cancel()
        await asyncio.gather(*self._under_way.values(), return_exceptions=True)
        if self._inner is not None:
            await self._inner.aclose()

    @property
    def _model(self) -> LLM:
        if self._inner is None:
            raise UserError("replay: there is no model to ask")
        return self._inner

    async def _ask(self, key: str, request: CompletionRequest) -> Completion:
        # A model out of reach is an error of the whole run, and the probe says it best.
        await self._probe()
        return self._journal.put(key, await self._model.complete(request))

    async def _probe(self) -> Capabilities:
        if self._probed is not None:
            return self._probed
        async with self._probing:  # once, however many calls wait for it
            if self._probed is None:
                found = await self._model.capabilities()
                recorded = {"json_schema": found.json_schema, "logprobs": found.logprobs}
                self._journal.put_slate(self._capabilities_key(found), json.dumps(recorded))
                self._probed = found
            return self._probed

    def _recorded_capabilities(self) -> Capabilities | None:
        """The best the model was ever seen to do."""
        for json_schema in (True, False):
            for logprobs in (True, False):
                possible = Capabilities(json_schema=json_schema, logprobs=logprobs)
                if self._journal.get_slate(self._capabilities_key(possible)) is not None:
                    return possible
        return None

    def _capabilities_key(self, found: Capabilities) -> str:
        return capabilities_key(
            self._fingerprint, json_schema=found.json_schema, logprobs=found.logprobs
        )

    def _settle(self, key: str, done: asyncio.Task[Completion]) -> None:
        self._under_way.pop(key, None)
        if not done.cancelled():
            # Every waiter may have been cancelled; the failure then has no reader, and needs none.
            done.exception()


def _miss(journal: Journal, fingerprint: str, request: CompletionRequest, key: str) -> str:
    asked = " ".join(request.messages[-1].content.split()) if request.messages else ""
    return (
        f"replay: no stored answer for {asked[:80]!r} (key {key[:12]}, model {fingerprint!r}) in "
        f"{journal.path}; replay the same scenario, seed and --llm, or use --journal-mode record"
    )

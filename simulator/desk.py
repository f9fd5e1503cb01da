"""The desk: gathers what many sessions wait for into one batched call.

A batch goes out when no session can run further, or when `limit` requests are gathered. Answers
may not depend on the batch, so when it goes out changes speed only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, TypeVar

from .errors import FailureCause, FocusgroupError, TurnFailed
from .protocols import BatchUserAgent, Recommender, UserAgent, Visit
from .types import Catalog, RecRequest, Response, Slate

Ask = TypeVar("Ask")
Answer = TypeVar("Answer")


class Gathering(Generic[Ask, Answer]):
    """Collects awaited questions and answers them with one call of `answer_all`."""

    def __init__(
        self,
        answer_all: Callable[[Sequence[Ask]], Sequence[Answer]],
        cause: FailureCause,
        limit: int = 256,
    ) -> None:
        self._answer_all = answer_all
        self._cause = cause
        self._limit = limit
        self._waiting: list[tuple[Ask, asyncio.Future[Answer]]] = []
        self._seen_at_tick = 0

    def ask(self, question: Ask) -> asyncio.Future[Answer]:
        """A future of the answer; it may raise TurnFailed."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()
        self._waiting.append((question, future))
        if len(self._waiting) >= self._limit:
            self._flush()
        elif len(self._waiting) == 1:
            self._seen_at_tick = 0
            loop.call_soon(self._tick)
        return future

    def _tick(self) -> None:
        # Everyone who could run in this turn of the event loop has run; if nobody new came since
        # the last tick, nobody will before we answer.
        if len(self._waiting) > self._seen_at_tick:
            self._seen_at_tick = len(self._waiting)
            asyncio.get_running_loop().call_soon(self._tick)
        else:
            self._flush()

    def _flush(self) -> None:
        batch = [(ask, future) for ask, future in self._waiting if not future.done()]
        self._waiting = []
        if not batch:
            return
        try:
            answers = self._call([ask for ask, _ in batch])
        except FocusgroupError as error:
            if isinstance(error, TurnFailed) and len(batch) > 1:
                self._one_by_one(batch)
            else:
                for _, future in batch:
                    future.set_exception(error)
            return
        for (_, future), answer in zip(batch, answers, strict=True):
            future.set_result(answer)

    def _one_by_one(self, batch: Sequence[tuple[Ask, asyncio.Future[Answer]]]) -> None:
        for ask, future in batch:
            try:
                future.set_result(self._call([ask])[0])
            except FocusgroupError as error:
                future.set_exception(error)

    def _call(self, asks: Sequence[Ask]) -> Sequence[Answer]:
        try:
            answers = self._answer_all(asks)
            count = len(answers)
        except FocusgroupError:
            raise
        except Exception as error:  # someone else's code: its failure is data, not ours to judge
            raise TurnFailed(self._cause, f"{type(error).__name__}: {error}") from error
        if count != len(asks):
            raise TurnFailed(self._cause, f"{count} answers came for {len(asks)} requests")
        return answers


class Desk:
    """Serves the sessions of one audience: slates from every arm, responses from its users."""

    def __init__(
        self,
        recommenders: Mapping[str, Recommender],
        agent: UserAgent | BatchUserAgent,
        catalog: Catalog,
        limit: int = 256,
    ) -> None:
        self._catalog = catalog
        self._arms = {
            name: Gathering(recommender.recommend, FailureCause.RECOMMENDER, limit)
            for name, recommender in recommenders.items()
        }
        self._ask_user: Callable[[Slate, Visit], Awaitable[Response]]
        if isinstance(agent, BatchUserAgent):
            respond_many = agent.respond_many
            users = Gathering[tuple[Slate, Visit], Response](
                lambda asks: respond_many([s for s, _ in asks], [v for _, v in asks]),
                FailureCause.AGENT,
                limit,
            )
            self._ask_user = lambda slate, visit: users.ask((slate, visit))
        else:
            self._ask_user = agent.respond

    async def slate(self, arm: str, request: RecRequest) -> Slate:
        """The arm's page for this request. Raises TurnFailed if it breaks the contract."""
        slate = await self._arms[arm].ask(request)
        problem = slate_problem(slate, request, self._catalog)
        if problem:
            raise TurnFailed(FailureCause.RECOMMENDER, f"arm {arm!r}: {problem}")
        return slate

    async def respond(self, slate: Slate, visit: Visit) -> Response:
        """The user's answer to the page. Raises TurnFailed if there is none."""
        try:
            response = await self._ask_user(slate, visit)
        except FocusgroupError:
            raise
        except Exception as error:  # a user's own agent: its failure is data
            raise TurnFailed(FailureCause.AGENT, f"{type(error).__name__}: {error}") from error
        if not isinstance(response, Response) or not response.actions:
            raise TurnFailed(FailureCause.AGENT, f"{response!r:.80} is no Response with actions")
        return response


def slate_problem(slate: object, request: RecRequest, catalog: Catalog) -> str | None:
    """What is wrong with what a recommender returned for one request, in words, or None."""
    if not isinstance(slate, Slate):
        return f"{type(slate).__name__} instead of a Slate; return Slate(tuple_of_item_ids)"
    ids = slate.item_ids
    if not isinstance(ids, tuple) or not all(isinstance(item_id, str) for item_id in ids):
        return f"item_ids must be a tuple of strings, got {ids!r:.80}"
    if len(ids) > request.k:
        return f"{len(ids)} items for a page of {request.k}"
    shown = set(ids)
    if len(shown) < len(ids):
        return "the same item twice on a page"
    if not catalog.by_id.keys() >= shown:
        return f"item {next(i for i in ids if i not in catalog)!r} is not in the catalogue"
    if not shown.isdisjoint(request.exclude):
        return f"item {next(i for i in ids if i in request.exclude)!r} was excluded"
    if request.candidates is not None and (others := shown.difference(request.candidates)):
        return f"item {next(i for i in ids if i in others)!r} is not among the candidates"
    for name, values in (("scores", slate.scores), ("propensities", slate.propensities)):
        if values is None:
            continue
        if not isinstance(values, tuple) or not all(isinstance(v, int | float) for v in values):
            return f"{name} must be a tuple of numbers, got {values!r:.80}"
        if len(values) != len(ids):
            return f"{len(values)} {name} for {len(ids)} items"
    if slate.propensities is not None and not all(0 < p <= 1 for p in slate.propensities):
        return f"propensities must lie in (0, 1], got {slate.propensities!r:.80}"
    return None

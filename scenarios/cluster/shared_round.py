"""A round shared out: what `simulator.round.run_round` does, by many processes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from focusgroup.agents import LLMUser
from focusgroup.agents.llm import JournaledLLM, LLMOptions
from focusgroup.simulator import (
    Audience,
    Catalog,
    Recommender,
    Rules,
    Session,
    SessionKey,
    SessionStore,
    UserError,
)
from focusgroup.simulator.round import to_do
from focusgroup.simulator.store import Past, Stored

from .crew import Crew, Packed
from .dealing import deal, shares
from .messages import Job
from .post import Brief, Post
from .shard import DistantLLM
from .shipped_past import past_of


@dataclass(frozen=True, slots=True)
class Spoken:
    """The language model of an audience: what `--llm` says, and the model behind the journal."""

    name: str
    llm: JournaledLLM


@dataclass(frozen=True, slots=True)
class SharedRound:
    """Runs rounds on a crew (a `RunRound`).

    Attributes:
        models: audience -> its language model, where it has one.
    """

    crew: Crew
    models: Mapping[str, Spoken]
    options: LLMOptions

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
    ) -> int:
        pack, model = self.crew.cluster.pack, self.models.get(audience.name)
        to_run = to_do(audience, arms, round_, finished, retry_failed)
        users = list(dict.fromkeys(key.user_id for key, _ in to_run))
        dealt = deal(users, self.crew.cluster.actors)
        limits = shares(concurrency, len(dealt))
        calls = shares(self.options.concurrency, len(dealt))
        brief = Brief(
            pack(_unplugged(audience), f"audience {audience.name!r}"),
            self._packed_arms(arms),
            pack((catalog, rules), "the catalogue"),
            None if model is None else model.llm,
            store,
            on_session_end,
        )
        posts = []
        for number, mine in enumerate(dealt):
            these = set(mine)
            job = Job(
                round=round_,
                seed=seed,
                user_ids=tuple(mine),
                finished={key: s for key, s in finished.items() if key.user_id in these},
                retry_failed=retry_failed,
                concurrency=limits[number],
                past=past_of(past, mine, arms) if round_ else None,
                model="" if model is None else model.name,
                options=replace(self.options, concurrency=calls[number]),
            )
            posts.append(Post(number, self.crew, brief, job))
        try:
            async with asyncio.TaskGroup() as group:
                running = [group.create_task(post.run()) for post in posts]
        except BaseExceptionGroup as stopped:
            raise stopped.exceptions[0] from stopped
        return sum(task.result() for task in running)

    def _packed_arms(self, arms: Mapping[str, Recommender]) -> Packed:
        pack = self.crew.cluster.pack
        try:
            return pack(dict(arms), "the recommenders")
        except UserError:
            for name, arm in arms.items():
                pack(arm, f"recommender {name!r}")  # says which one it is
            raise


def _unplugged(audience: Audience) -> Audience:
    """The audience as it travels: without its users' names, which every shard has its own of."""
    agent = audience.agent
    if isinstance(agent, LLMUser):
        agent = replace(agent, llm=DistantLLM(agent.llm.fingerprint))
    return replace(audience, agent=agent, user_ids=())

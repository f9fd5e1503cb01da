"""What a language model's opinions are worth: asked about pages whose truth is known."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from focusgroup.agents import (
    BehaviourModel,
    Elicitation,
    OpinionWeight,
    Prompter,
    calibration_pages,
    personas_from_log,
    weigh_opinions,
)
from focusgroup.agents.llm import JournaledLLM
from focusgroup.agents.memory import remember
from focusgroup.simulator import Catalog, Noise, Opinion, TurnFailed, Visit
from focusgroup.simulator.noise import derive_seed

Told = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Schooling:
    """Where the weight of an opinion is learned: one page each of some calibration users.

    Attributes:
        history, held_out: the two parts of the log; calibration_rows: the history of all
            calibration users.
        k: items on a page. seed: of the run.
        told: called with (answered, of how many).
    """

    behaviour: BehaviourModel
    catalog: Catalog
    history: pd.DataFrame
    held_out: pd.DataFrame
    calibration_rows: pd.DataFrame
    users: pd.DataFrame | None
    k: int
    seed: int
    told: Told | None = None

    async def weigh(
        self, llm: JournaledLLM, prompter: Prompter, style: Elicitation, user_ids: Sequence[str]
    ) -> OpinionWeight:
        """Ask about pages whose truth is known; what the model cannot answer is left out."""
        seed = derive_seed(self.seed, "opinions")
        pages = calibration_pages(
            self.behaviour, self.history, self.held_out, user_ids, k=self.k, seed=seed
        )
        personas = personas_from_log(
            self.calibration_rows,
            self.catalog,
            user_ids=[p.user_id for p in pages],
            users=self.users,
        )
        asked = 0

        async def opinion(number: int) -> Opinion | None:
            nonlocal asked
            page = pages[number]
            noise = Noise(seed, page.user_id, 0)
            visit = Visit(page.user_id, "", 0, 0, (), (), self.catalog, noise)
            try:
                said = await style.ask(
                    llm, prompter, personas[page.user_id], remember((), ()), page.slate, visit
                )
            except TurnFailed:
                return None
            finally:
                asked += 1
                if self.told is not None:
                    self.told(asked, len(pages))
            return said.opinion

        opinions = await asyncio.gather(*(opinion(n) for n in range(len(pages))))
        answered = [(p, o) for p, o in zip(pages, opinions, strict=True) if o is not None]
        return weigh_opinions([p for p, _ in answered], [o for _, o in answered], seed=seed)

"""How the rounds of an experiment are run: in this process, or shared out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from focusgroup.agents.llm import LLMOptions
from focusgroup.scenarios.experiment import Room
from focusgroup.simulator.round import RunRound, run_round

from .crew import Cluster, Crew
from .shared_round import SharedRound, Spoken


@asynccontextmanager
async def rounds_of(
    rooms: Sequence[Room], cluster: Cluster | None, options: LLMOptions
) -> AsyncIterator[RunRound]:
    """What runs a round, for as long as the block lasts.

    Args:
        cluster: where rounds are shared out; None for this process. Models that are asked must
            have been opened with `RelayLLM` between them and the budget.
        options: of the models, over all shards.
    """
    if cluster is None:
        yield run_round
        return
    crew = Crew(cluster)
    models = {
        room.audience.name: Spoken(room.spec.llm, room.speaker.llm)
        for room in rooms
        if room.speaker is not None
    }
    try:
        yield SharedRound(crew, models, options)
    finally:
        await crew.dismiss()

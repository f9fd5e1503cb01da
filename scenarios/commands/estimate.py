"""--dry-run: how many calls and tokens a scenario would take, and what they would cost."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from statistics import mean

from focusgroup.agents.llm import Journal, JournalMode, Message
from focusgroup.agents.memory import remember
from focusgroup.scenarios.batch import Options
from focusgroup.scenarios.build import Means, build
from focusgroup.scenarios.experiment import Experiment, Room
from focusgroup.scenarios.scenario import Scenario
from focusgroup.simulator import Slate

CHARACTERS_PER_TOKEN = 4.0
ANSWER_TOKENS, REVIEW_TOKENS = 45, 50
SAMPLE = 20


def estimate_text(scenario: Scenario, options: Options) -> str:
    """Visits, and for each audience with a language model calls, tokens and cost at most.

    Token counts come from real prompts of up to 20 personas at four characters a token; pages are
    counted to the page limit, so a run whose users leave early takes less. No model is asked.
    """
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder) / "journal.sqlite")
        # REPLAY on an empty journal: nothing can be asked by accident.
        recorded = dict.fromkeys(scenario.audiences, "estimate")
        means = Means(
            journal, JournalMode.REPLAY, options.llm, options.budget, options.folder, recorded
        )
        try:
            experiment = asyncio.run(build(scenario, means))
        finally:
            journal.close()
    lines = [f"{scenario.title}: {experiment.planned_sessions()} visits, nothing was run."]
    for room in experiment.rooms:
        if room.speaker is None:
            lines.append(f"{room.audience.name}: no language model, no cost")
        else:
            lines.append(_speaking(experiment, room))
    return "\n".join(lines)


def _speaking(experiment: Experiment, room: Room) -> str:
    scenario, spec = experiment.scenario, room.spec
    visits = len(room.audience.user_ids) * len(experiment.arms) * scenario.rounds
    pages = visits * scenario.page.pages
    per_page = 1 if spec.style == "answer" else scenario.page.k
    calibration = spec.calibration_users if spec.decision == "pooled" else 0
    calls = (pages + calibration) * per_page
    prompt = round(_prompt_tokens(experiment, room) * calls)
    answer = (ANSWER_TOKENS if spec.style == "answer" else 1) * calls
    reviews = round(pages * spec.reviews)
    prompt += round(reviews * _prompt_tokens(experiment, room) / 2)
    answer += reviews * REVIEW_TOKENS
    cost = (prompt * scenario.prices.prompt + answer * scenario.prices.completion) / 1e6
    priced = f", cost {cost:.2f}" if cost else ", cost unknown (set prices in the scenario)"
    return (
        f"{room.audience.name}: at most {pages} pages, {calls} calls and about {reviews} reviews;"
        f" about {prompt} prompt + {answer} answer tokens{priced}"
    )


def _prompt_tokens(experiment: Experiment, room: Room) -> float:
    if room.speaker is None:
        return 0.0
    prompter, page = room.speaker.prompter, experiment.scenario.page
    popular = sorted(experiment.popularity, key=lambda i: -experiment.popularity[i])
    known = [item_id for item_id in popular if item_id in experiment.catalog]
    slate = Slate(tuple(known[: page.k]) or tuple(experiment.catalog)[: page.k])
    memory = remember((), ())
    sizes = []
    for user_id in room.audience.user_ids[:SAMPLE]:
        persona = room.personas[user_id]
        if room.spec.style == "answer":
            order = range(len(slate.item_ids))
            messages = prompter.answer(persona, memory, slate, order, experiment.catalog)
        else:
            messages = prompter.score(persona, memory, slate, 0, experiment.catalog)
        sizes.append(_tokens(messages))
    return mean(sizes)


def _tokens(messages: tuple[Message, ...]) -> float:
    return sum(len(message.content) / CHARACTERS_PER_TOKEN for message in messages)

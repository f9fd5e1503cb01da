"""--dry-run: how many calls and tokens a scenario would take, how long, and at what cost."""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path
from statistics import mean

from focusgroup.agents.llm import (
    CompletionRequest,
    Journal,
    JournalMode,
    Line,
    LLMOptions,
    Message,
    TransportError,
    open_llm,
    parse_llm,
    usual_concurrency,
)
from focusgroup.agents.memory import remember
from focusgroup.agents.reply import most_picks
from focusgroup.scenarios.build import Means, build
from focusgroup.scenarios.experiment import Experiment, Room
from focusgroup.scenarios.options import Options
from focusgroup.scenarios.scenario import AudienceSpec, Scenario
from focusgroup.simulator import Slate, UserError

CHARACTERS_PER_TOKEN = 3.0  # of titles and JSON; English prose has more
ANSWER_TOKENS, REVIEW_TOKENS = 60, 60
SAMPLE = 20


def estimate_text(scenario: Scenario, options: Options) -> str:
    """Visits, and for each audience with a language model calls, tokens and cost at most.

    Token counts come from first pages of up to 20 personas at three characters a token; pages are
    counted to the page limit and picks to the most a reply may hold, so a run whose users leave
    early takes less. Malformed replies are asked again, which is not counted. Time comes from one
    call, sent again at once: the second finds its prefix cached, as most pages do.
    """
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder) / "journal.sqlite")
        # REPLAY on an empty journal: nothing can be asked by accident.
        recorded = dict.fromkeys(scenario.audiences, "estimate")
        means = Means(Line(journal, JournalMode.REPLAY), options.folder, recorded)
        try:
            experiment = asyncio.run(build(_unpooled(scenario), means))
        finally:
            journal.close()
    lines = [f"{scenario.title}: {experiment.planned_sessions()} visits, nothing was run."]
    for room in experiment.rooms:
        if room.speaker is None:
            lines.append(f"{room.audience.name}: no language model, no cost")
        else:
            spec = scenario.audiences[room.audience.name]
            lines.append(_speaking(experiment, room, spec, options.llm))
    return "\n".join(lines)


def _unpooled(scenario: Scenario) -> Scenario:
    """The scenario without calibrating any opinion: that would need the model."""
    audiences = {
        name: spec.model_copy(update={"decision": "own_word"})
        for name, spec in scenario.audiences.items()
    }
    return scenario.model_copy(update={"audiences": audiences})


def _speaking(experiment: Experiment, room: Room, spec: AudienceSpec, llm: LLMOptions) -> str:
    scenario = experiment.scenario
    visits = len(room.audience.user_ids) * len(experiment.arms) * scenario.rounds
    pages = visits * scenario.page.pages
    per_page = 1 if spec.style == "answer" else scenario.page.k
    learns = spec.decision == "pooled" and scenario.calibration is None
    calibration = spec.calibration_users if learns else 0
    calls = (pages + calibration) * per_page
    each = ANSWER_TOKENS if spec.style == "answer" else 1
    messages = _sample_prompts(experiment, room)
    size = mean(_tokens(one) for one in messages)
    reviewable = experiment.dataset.domain.has_ratings or experiment.dataset.domain.has_prices
    picks = most_picks(scenario.page.k) if spec.style == "answer" else scenario.page.k / 5
    reviews = round(pages * picks * spec.reviews) if reviewable else 0
    reviews += visits if spec.interview else 0
    prompt = round(size * (calls + reviews))
    answer = each * calls + reviews * REVIEW_TOKENS
    cost = (prompt * scenario.prices.prompt + answer * scenario.prices.completion) / 1e6
    priced = f"cost {cost:.2f}" if cost else "cost unknown (set prices in the scenario)"
    timed = asyncio.run(_seconds(spec.llm, llm, messages[0], each))
    if isinstance(timed, str):
        duration = f"time unknown ({timed})"
    else:
        parallel = llm.slots if spec.llm.startswith("embedded") else usual_concurrency(spec.llm)
        minutes = timed * (calls + reviews) / parallel / 60
        duration = f"about {minutes:.1f} min if {parallel} calls at once take {timed:.2f} s"
    return (
        f"{room.audience.name}: at most {pages} pages, {calls} calls and {reviews} reviews"
        " and interviews;"
        f" about {prompt} prompt + {answer} answer tokens; {priced}; {duration}"
    )


async def _seconds(
    name: str, options: LLMOptions, messages: tuple[Message, ...], max_tokens: int
) -> float | str:
    """Seconds of a call whose prefix is cached, or why it cannot be known."""
    spec = parse_llm(name)
    if spec is None:
        return "no model"
    try:
        model = open_llm(spec, options)
        try:
            await model.capabilities()
            request = CompletionRequest(messages, max_tokens=max_tokens)
            await model.complete(request)
            begun = time.perf_counter()
            await model.complete(request)
            return time.perf_counter() - begun
        finally:
            await model.aclose()
    except (UserError, TransportError) as error:
        return str(error)


def _sample_prompts(experiment: Experiment, room: Room) -> list[tuple[Message, ...]]:
    """First pages of a few personas, full of popular items."""
    if room.speaker is None:
        return []
    prompter, page = room.speaker.prompter, experiment.scenario.page
    popular = sorted(experiment.popularity, key=lambda i: -experiment.popularity[i])
    known = [item_id for item_id in popular if item_id in experiment.catalog]
    slate = Slate(tuple(known[: page.k]) or tuple(experiment.catalog)[: page.k])
    memory, catalog = remember((), ()), experiment.catalog
    order = range(len(slate.item_ids))
    return [
        prompter.answer(persona, memory, slate, order, catalog)
        if room.spec.style == "answer"
        else prompter.score(persona, memory, slate, 0, catalog)
        for persona in (room.personas[u] for u in room.audience.user_ids[:SAMPLE])
    ]


def _tokens(messages: tuple[Message, ...]) -> float:
    return sum(len(message.content) / CHARACTERS_PER_TOKEN for message in messages)

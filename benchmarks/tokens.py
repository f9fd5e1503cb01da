"""How many tokens a page costs, and how many of them a server's prefix cache does not hold.

A real simulation runs against a model that makes up plausible answers after a delay, paced as any
server is, at most 64 requests in flight; every prompt is recorded in the order of sending, counted
with a real tokenizer (SmolLM2's, by llama.cpp), and sent through a simulated prefix cache.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import random
import re
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from machine import Bar, print_json
from prefix_cache import BLOCK, PrefixCache

from focusgroup.agents.llm import (
    Capabilities,
    Completion,
    CompletionRequest,
    Journal,
    JournaledLLM,
    Line,
    LLMSpec,
    find_model,
)
from focusgroup.agents.llm.local.embedded import EmbeddedLLM
from focusgroup.agents.llm.server.pace import PacedLLM
from focusgroup.agents.reply import AnswerReply, Pick, write_answer
from focusgroup.scenarios.build import Means, build
from focusgroup.scenarios.scenario import scenario_from
from focusgroup.simulator import MemoryStore

DATASETS = ("movies", "groceries")
ARMS = ("popularity", "item_knn", "content", "random")
IN_FLIGHT, CACHE_BLOCKS = 64, 10_000
BARS = {"prompt_tokens": 700, "answer_tokens": 40, "uncached_prompt_tokens": 250}
_LINE = re.compile(r"^(\d+)\. (.+)$", re.MULTILINE)
_STAYS, _PICKS = 0.85, (0, 1, 1, 2, 2, 3)  # made up: "few, often none"
_REASONS = (
    "{0} is the kind of thing I like",
    "I have heard good things about {0}",
    "nothing here is for me",
    "{0} fits what I usually choose",
    "a change from what I had last time",
    "good value and I need it anyway",
)


@dataclass
class MadeUp:
    """A server's model that answers any page, each prompt always the same, after a log-normal
    delay (a `ServedLLM`).

    Attributes:
        stream: what happened in order: (request, None) when it was sent, (request, reply) when it
            was answered.
        peak: most requests in flight at once.
    """

    delay: float = 0.2
    fingerprint: str = "made-up"
    url: str = "http://127.0.0.1"
    stream: list[tuple[CompletionRequest, str | None]] = field(default_factory=list)
    in_flight: int = 0
    peak: int = 0

    async def complete(self, request: CompletionRequest) -> Completion:
        rng = random.Random(request.key(self.fingerprint))
        self.stream.append((request, None))
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        await asyncio.sleep(self.delay * rng.lognormvariate(0, 0.5))
        self.in_flight -= 1
        if request.top_logprobs:
            p = rng.random()
            said, logprobs = "yes", (("yes", math.log(p)), ("no", math.log(1 - p)))
        else:
            said, logprobs = _page_answered(request, rng), None
        self.stream.append((request, said))
        return Completion(said, logprobs=logprobs)

    async def capabilities(self) -> Capabilities:
        return Capabilities(json_schema=True, logprobs=True)

    async def probe(self) -> Capabilities:
        return await self.capabilities()

    async def ping(self, within: float) -> None:
        pass

    async def waiting(self) -> int | None:
        return None

    async def aclose(self) -> None:
        pass


def _page_answered(request: CompletionRequest, rng: random.Random) -> str:
    """A few picks, stars or purchases where they are asked for, a reason in a few words."""
    task, _, page = request.messages[-1].content.rpartition("<<<")
    items = _LINE.findall(page)
    stars, buy = '"stars"' in task, '"buy"' in task
    chosen = rng.sample(items, min(len(items), rng.choice(_PICKS)))
    picks = tuple(
        Pick(int(n), rng.randint(1, 5) if stars else None, buy and rng.random() < 0.4)
        for n, _ in chosen
    )
    title = re.split(r"[:(]", (chosen or items)[0][1])[0].strip()
    why = rng.choice(_REASONS).format(title)[:48]
    reply = AnswerReply(picks, why, rng.randint(1, 5), rng.random() < _STAYS)
    return write_answer(reply, stars=stars, buy=buy)


@dataclass(frozen=True, slots=True)
class MadeUpLine(Line):
    """Opens the made-up model whatever is asked for, paced as a server's."""

    model: MadeUp = field(default_factory=MadeUp)

    def open(self, spec: LLMSpec) -> JournaledLLM:
        return JournaledLLM(PacedLLM(self.model, most=IN_FLIGHT), self.journal, self.mode)


async def stream_of(dataset: str, style: str, users: int) -> MadeUp:
    """The requests of a run: 4 arms, up to 5 pages of 10 items, 2 rounds."""
    scenario = scenario_from(
        {
            "title": "tokens",
            "data": {"name": dataset},
            "rounds": 2,
            "recommenders": list(ARMS),
            "audiences": {
                "asked": {"users": users, "style": style, "llm": "openai:made-up@http://127.0.0.1"}
            },
        }
    )
    model = MadeUp()
    with tempfile.TemporaryDirectory() as folder, Journal(Path(folder) / "j.sqlite") as journal:
        experiment = await build(scenario, Means(MadeUpLine(journal, model=model)))
        await experiment.execute(MemoryStore())
    return model


@dataclass(frozen=True, slots=True)
class Cost:
    """Tokens of one request; `late` are not cached if blocks only count once they are answered."""

    cell: tuple[int, int]
    prompt: int
    answer: int
    uncached: int
    late: int
    unbounded: int


def costs(stream: Iterable[tuple[CompletionRequest, str | None]], llm: EmbeddedLLM) -> list[Cost]:
    """What each request cost, in the order of sending."""
    cache, slow, endless = PrefixCache(CACHE_BLOCKS), PrefixCache(CACHE_BLOCKS), PrefixCache(10**9)
    ids: dict[int, list[int]] = {}
    answers: dict[int, int] = {}
    sent: list[tuple[int, tuple[int, int], int, int, int, int]] = []
    for request, said in stream:
        key = id(request)
        if said is None:
            tokens = ids[key] = llm.prompt_ids(request.messages)
            found, late, most = cache.send(tokens), slow.cached(tokens), endless.send(tokens)
            sent.append((key, _cell(request), len(tokens), found, late, most))
        else:
            slow.keep(ids.pop(key))
            # And the token that ends it, where there is room for one.
            answers[key] = min(llm.text_tokens(said) + 1, request.max_tokens)
    return [
        Cost(cell, n, answers[key], n - found, n - late, n - most)
        for key, cell, n, found, late, most in sent
    ]


def _cell(request: CompletionRequest) -> tuple[int, int]:
    """(round, page), from 1, as the prompt shows them."""
    page = request.messages[-1].content
    return 1 + ("Earlier visits" in page), 1 + len(re.findall(r"^Page \d+: ", page, re.MULTILINE))


def figures(found: Sequence[Cost]) -> dict[str, object]:
    """Medians a request, over all and by round and page."""
    cells: defaultdict[tuple[int, int], list[Cost]] = defaultdict(list)
    for one in found:
        cells[one.cell].append(one)
    return {
        "requests": len(found),
        **_medians(found),
        "uncached_if_kept_when_answered": median(one.late for one in found),
        "share_of_prompt_tokens_cached": _cached(found, [one.uncached for one in found]),
        "share_in_an_unbounded_cache": _cached(found, [one.unbounded for one in found]),
        "longest_prompt": max(one.prompt for one in found),
        "longest_answer": max(one.answer for one in found),
        "by_round_and_page": {
            f"round {round_} page {page}": {"requests": len(own), **_medians(own)}
            for (round_, page), own in sorted(cells.items())
        },
    }


def _cached(found: Sequence[Cost], uncached: Sequence[int]) -> float:
    return round(1 - sum(uncached) / sum(one.prompt for one in found), 3)


def _medians(found: Sequence[Cost]) -> dict[str, float]:
    return {
        "prompt_tokens": median(one.prompt for one in found),
        "answer_tokens": median(one.answer for one in found),
        "uncached_prompt_tokens": median(one.uncached for one in found),
    }


def measured(dataset: str, style: str, users: int, llm: EmbeddedLLM) -> dict[str, object]:
    """What the requests of a run cost."""
    model = asyncio.run(stream_of(dataset, style, users))
    return {"users": users, "most_in_flight": model.peak, **figures(costs(model.stream, llm))}


def held_to(dataset: str, found: Mapping[str, Any]) -> list[Bar]:
    """The bars of medians a page."""
    return [
        Bar(f"{name.replace('_', ' ')} a page, {dataset}", found[name], "<=", bar, "(median)")
        for name, bar in BARS.items()
    ]


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="(the only format there is)")
    parser.add_argument("--users", type=int, default=64)
    parser.add_argument("--score-users", type=int, default=8, help="users of style score; 0: none")
    options = parser.parse_args()
    llm = EmbeddedLLM(find_model("smollm2"), slots=1)
    results: dict[str, object] = {
        "tokenizer": llm.fingerprint,
        "cache": {"blocks": CACHE_BLOCKS, "tokens_in_a_block": BLOCK},
        "arms": list(ARMS),
    }
    bars: list[Bar] = []
    try:
        for dataset in DATASETS:
            answered = measured(dataset, "answer", options.users, llm)
            bars += held_to(dataset, answered)
            of_dataset: dict[str, object] = {"answer, a page": answered}
            if options.score_users:
                scored = measured(dataset, "score", options.score_users, llm)
                of_dataset["score, an item"] = scored
            results[dataset] = of_dataset
    finally:
        asyncio.run(llm.aclose())
    print_json(results, bars)


if __name__ == "__main__":
    main()

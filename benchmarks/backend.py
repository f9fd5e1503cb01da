"""What a run costs beyond its language model: the same requests through us and through a bare loop.

Through us is `Simulation` + journal + sessions stored + backend, as `focusgroup run` puts them
together. The bare loop sends the very requests that our run has sent, in their order and with as
many in flight, straight to the backend, and reads nothing. A first run warms the engine's prefix
cache; then the two take turns, each first every other time, in the same process with the same
engine. A third way answers our run at once from memory: what is then left is our own work.

    python benchmarks/backend.py
    python benchmarks/backend.py --backend vllm --model .venv-vllm/models/smollm2?enforce_eager=true
    python benchmarks/backend.py --backend vllm --model Qwen/Qwen3-8B --users 500 --in-flight 256

On a graphics card it also prints the share of the roofline reached (roofline.py has the formula);
peaks are known for common cards, else give --peak-flops and --bandwidth.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from cinema import Pages, audience, catalog
from machine import Bar, print_json
from roofline import Peak, Tokens, Weights, folder_weights, known_peak, least_seconds

from focusgroup.agents.llm import (
    LLM,
    Capabilities,
    Completion,
    CompletionRequest,
    Journal,
    JournaledLLM,
    LLMOptions,
    open_llm,
    parse_llm,
)
from focusgroup.agents.llm.local.checkpoint import find_checkpoint
from focusgroup.simulator import ParquetStore, Rules, Simulation

BAR = 0.10


@dataclass
class Recorder:
    """Passes requests on, and notes them with their answers in order of asking."""

    inner: LLM
    asked: list[CompletionRequest] = field(default_factory=list)
    said: dict[str, Completion] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        return self.inner.fingerprint

    async def complete(self, request: CompletionRequest) -> Completion:
        self.asked.append(request)
        completion = await self.inner.complete(request)
        self.said[_key(request)] = completion
        return completion

    async def capabilities(self) -> Capabilities:
        return await self.inner.capabilities()

    async def aclose(self) -> None:
        """The engine goes on."""


@dataclass
class Remembered:
    """Answers at once what has been answered before."""

    said: dict[str, Completion]
    fingerprint: str

    async def complete(self, request: CompletionRequest) -> Completion:
        return self.said[_key(request)]

    async def capabilities(self) -> Capabilities:
        return Capabilities(json_schema=True, logprobs=True)

    async def aclose(self) -> None:
        """Nothing is open."""


@dataclass(frozen=True)
class Lap:
    """One pass: wall seconds, and the engine's answers."""

    seconds: float
    pages: int
    answers: Sequence[Completion]

    def tokens(self) -> Tokens:
        waited = sum(answer.latency for answer in self.answers)
        return Tokens(
            prefill=sum(a.usage.prompt - a.usage.cached for a in self.answers),
            decode=sum(a.usage.completion for a in self.answers),
            in_flight=waited / self.seconds,
        )


@dataclass(frozen=True)
class Recorded:
    """A lap through us, and what it asked."""

    lap: Lap
    asked: list[CompletionRequest]
    said: dict[str, Completion]


@dataclass(frozen=True)
class World:
    """What is simulated."""

    users: int
    pages: int
    k: int
    in_flight: int

    async def through_us(self, model: LLM) -> tuple[float, int]:
        """Seconds and pages of a whole run with a journal and a store of its own."""
        films = catalog()
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            begun = time.perf_counter()
            with Journal(place / "journal.sqlite") as journal:
                simulation = Simulation(
                    arms={"one": Pages(tuple(films), self.k)},
                    audiences=[
                        audience(JournaledLLM(model, journal), films, self.users, self.in_flight)
                    ],
                    catalog=films,
                    rules=Rules(k=self.k, max_pages=self.pages),
                    store=ParquetStore(place / "sessions"),
                )
                await simulation.run()
            seconds = time.perf_counter() - begun
            turns = sum(len(one.turns) for one in ParquetStore(place / "sessions").sessions())
        return seconds, turns


async def bare(model: LLM, recorded: Recorded, in_flight: int) -> Lap:
    """The same requests in the same order, as fast as the backend takes them."""
    waiting = iter(enumerate(recorded.asked))
    answers: dict[int, Completion] = {}

    async def worker() -> None:
        for number, request in waiting:
            answers[number] = await model.complete(request)

    begun = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(in_flight):
            group.create_task(worker())
    return Lap(time.perf_counter() - begun, recorded.lap.pages, tuple(answers.values()))


async def measure(model: LLM, world: World, repeats: int) -> tuple[dict[str, object], list[Lap]]:
    """Figures of all laps, and the bare ones."""
    await model.capabilities()
    last = await _recorded(model, world)  # warms the cache, and is not counted
    ours: list[Lap] = []
    theirs: list[Lap] = []
    for number in range(repeats):
        if number % 2:
            theirs.append(await bare(model, last, world.in_flight))
        last = await _recorded(model, world)
        ours.append(last.lap)
        if not number % 2:
            theirs.append(await bare(model, last, world.in_flight))
        print(
            f"{number + 1}/{repeats}: {ours[-1].seconds:.2f} s through us, "
            f"{theirs[-1].seconds:.2f} s bare",
            file=sys.stderr,
        )
    own, pages = await world.through_us(Remembered(last.said, model.fingerprint))
    overheads = [_rate(b) / _rate(a) - 1 for a, b in zip(ours, theirs, strict=True)]
    return {
        "pages": [lap.pages for lap in ours],
        "seconds_through_us": [lap.seconds for lap in ours],
        "seconds_bare": [lap.seconds for lap in theirs],
        "pages_per_s_through_us": _over_all(ours),
        "pages_per_s_bare": _over_all(theirs),
        # What the engine had to compute each way: alike, or the comparison is not fair.
        "prefill_tokens": {"through_us": _computed(ours)[0], "bare": _computed(theirs)[0]},
        "decode_tokens": {"through_us": _computed(ours)[1], "bare": _computed(theirs)[1]},
        "overhead": _over_all(theirs) / _over_all(ours) - 1,
        "overhead_of_each_pair": overheads,
        "overhead_median": statistics.median(overheads),
        "own_work_ms_per_page": 1000 * own / pages,
        "own_work_share": own / pages * _over_all(theirs),
    }, ours


def throughput(laps: Sequence[Lap], k: int) -> dict[str, float]:
    """Tokens and decisions a second, over all laps through us. A decision is one item judged."""
    seconds = sum(lap.seconds for lap in laps)
    tokens = [lap.tokens() for lap in laps]
    prompt = sum(answer.usage.prompt for lap in laps for answer in lap.answers)
    return {
        "decisions_per_s": k * sum(lap.pages for lap in laps) / seconds,
        "prompt_tokens_per_s": prompt / seconds,
        "prefill_tokens_per_s": sum(one.prefill for one in tokens) / seconds,
        "decode_tokens_per_s": sum(one.decode for one in tokens) / seconds,
        "cached_share_of_prompts": 1 - sum(one.prefill for one in tokens) / max(1, prompt),
        "mean_in_flight": statistics.fmean(one.in_flight for one in tokens),
    }


def main() -> None:
    """Print the figures as JSON."""
    options = _options()
    spec = parse_llm(f"{options.backend}:{options.model}" if options.model else options.backend)
    assert spec is not None
    # As many in flight either way: there are never more visits than users.
    in_flight = min(options.in_flight, options.users)
    world = World(options.users, options.pages, options.k, in_flight)

    async def all_laps() -> tuple[dict[str, object], list[Lap]]:
        model = open_llm(spec, LLMOptions(concurrency=options.in_flight))
        try:
            return await measure(model, world, options.repeats)
        finally:
            await model.aclose()

    figures, laps = asyncio.run(all_laps())
    results = {
        "backend": str(spec),
        "world": asdict(world),
        **figures,
        **throughput(laps, options.k),
        "roofline": _roofline(options, laps),
    }
    print_json(results, [Bar("overhead", float(str(figures["overhead"])), "<=", BAR, "")])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="(the only format there is)")
    parser.add_argument("--backend", default="embedded", help="as after --llm, before the colon")
    parser.add_argument("--model", default="", help="as after --llm, after the colon")
    parser.add_argument("--users", type=int, default=8)
    parser.add_argument("--pages", type=int, default=2)
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=4)
    parser.add_argument("--in-flight", type=int, default=4)
    parser.add_argument("--cards", type=int, default=1, help="graphics cards that share the work")
    parser.add_argument("--peak-flops", type=float, help="16-bit operations/s, all cards")
    parser.add_argument("--bandwidth", type=float, help="of memory, bytes/s, all cards")
    return parser.parse_args()


def _roofline(options: argparse.Namespace, laps: Sequence[Lap]) -> dict[str, object] | None:
    """None where the machine's peaks or the model's size are unknown."""
    peak = known_peak(options.cards)
    if options.peak_flops and options.bandwidth:
        peak = Peak("as given", options.peak_flops, options.bandwidth)
    if peak is None or options.backend not in ("vllm", "transformers"):
        return None
    weights: Weights = folder_weights(find_checkpoint(options.model.partition("?")[0]).folder)
    least = sum(least_seconds(weights, lap.tokens(), peak) for lap in laps)
    return {
        "peak": asdict(peak),
        "weights": asdict(weights),
        "least_seconds": least,
        "share": least / sum(lap.seconds for lap in laps),
    }


async def _recorded(model: LLM, world: World) -> Recorded:
    recorder = Recorder(model)
    seconds, pages = await world.through_us(recorder)
    return Recorded(
        Lap(seconds, pages, tuple(recorder.said.values())), recorder.asked, recorder.said
    )


def _key(request: CompletionRequest) -> str:
    return request.key("")


def _rate(lap: Lap) -> float:
    return lap.pages / lap.seconds


def _computed(laps: Sequence[Lap]) -> tuple[int, int]:
    tokens = [lap.tokens() for lap in laps]
    return sum(one.prefill for one in tokens), sum(one.decode for one in tokens)


def _over_all(laps: Sequence[Lap]) -> float:
    return sum(lap.pages for lap in laps) / sum(lap.seconds for lap in laps)


if __name__ == "__main__":
    main()

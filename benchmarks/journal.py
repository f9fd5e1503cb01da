"""How fast the journal is: every completion is committed before it is used, so this must not limit.

python benchmarks/journal.py --rows 20000 --processes 3
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import tempfile
from multiprocessing.synchronize import Barrier
from pathlib import Path
from time import perf_counter

from machine import Bar, print_json

from focusgroup.agents.llm import Completion, Journal, Usage
from focusgroup.agents.llm.journal.compact import compact
from focusgroup.agents.llm.journal.survey import survey

# An answer to a page as models give it: about 150 characters of JSON.
ANSWER = '{"picks":["3:4","7:5","9:3"],"why":"warm, funny, and by a director I like",' * 2


def key(n: int) -> str:
    """A key as requests have it."""
    return hashlib.blake2b(str(n).encode(), digest_size=20).hexdigest()


def completion(n: int) -> Completion:
    """An answer that is not like the others."""
    return Completion(f"{ANSWER}{n}", usage=Usage(700, 40, 450))


def rate(rows: int, began: float) -> float:
    """Rows a second, to whole rows."""
    return round(rows / (perf_counter() - began))


def write(path: Path, first: int, rows: int, ready: Barrier) -> None:
    """One of several processes that write to the same file."""
    with Journal(path) as journal:
        ready.wait()
        for n in range(first, first + rows):
            journal.put(key(n), completion(n))
        ready.wait()


def shared(path: Path, rows: int, processes: int) -> float:
    """Rows a second of all processes together."""
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(processes + 1)
    share = rows // processes
    writers = [
        context.Process(target=write, args=(path, number * share, share, ready))
        for number in range(processes)
    ]
    for writer in writers:
        writer.start()
    ready.wait()
    began = perf_counter()
    ready.wait()
    together = rate(share * processes, began)
    for writer in writers:
        writer.join()
    return together


def measure(folder: Path, rows: int, processes: int) -> dict[str, float]:
    """Rates in rows a second, and bytes a completion once compacted."""
    path = folder / "journal.sqlite"
    figures: dict[str, float] = {}
    with Journal(path) as journal:
        began = perf_counter()
        for n in range(rows):
            journal.put(key(n), completion(n))
        figures["puts_per_s"] = rate(rows, began)
        began = perf_counter()
        for n in range(rows):
            journal.get(key(n))
        figures["gets_per_s"] = rate(rows, began)
    began = perf_counter()
    assert survey(path).completions == rows
    figures["verified_per_s"] = rate(rows, began)
    began = perf_counter()
    after = compact(path).after
    figures["compacted_per_s"] = rate(rows, began)
    figures["bytes_per_completion"] = round(after / rows)
    figures[f"puts_per_s_of_{processes}_processes"] = shared(folder / "shared", rows, processes)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--processes", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="it always is")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), options.rows, options.processes)
    puts = Bar("commits of one process", figures["puts_per_s"], ">=", 2_000, "puts/s")
    print_json({"rows": options.rows, **figures}, [puts])


if __name__ == "__main__":
    main()

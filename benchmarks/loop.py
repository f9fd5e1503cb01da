"""How fast the loop is with nothing to wait for: pages per second, sessions stored on disk."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from machine import print_json

from focusgroup.simulator import (
    Audience,
    Catalog,
    Click,
    Item,
    NextPage,
    ParquetStore,
    RecRequest,
    Response,
    Rules,
    Simulation,
    Slate,
    Visit,
)


class Precomputed:
    """Slates made beforehand, one for each page."""

    def __init__(self, ids: Sequence[str], k: int) -> None:
        self._slates = [Slate(tuple(ids[n : n + k])) for n in range(0, len(ids) - k, k)]

    def recommend(self, requests: Sequence[RecRequest]) -> list[Slate]:
        return [self._slates[int(r.context["page"])] for r in requests]


class Instant:
    """Clicks the first slot, without a thought."""

    async def respond(self, slate: Slate, visit: Visit) -> Response:
        return Response((Click(slate.item_ids[0]), NextPage()), 0.5)


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="(the only format there is)")
    parser.add_argument("--users", type=int, default=1000)
    parser.add_argument("--pages", type=int, default=10)
    options = parser.parse_args()
    ids = [f"i{n}" for n in range(1000)]
    catalog = Catalog({i: Item(i, i) for i in ids})
    users = [f"u{n}" for n in range(options.users)]
    with tempfile.TemporaryDirectory() as folder:
        simulation = Simulation(
            arms={"precomputed": Precomputed(ids, 10)},
            audiences=[Audience("instant", Instant(), users, lambda _: ())],
            catalog=catalog,
            rules=Rules(k=10, max_pages=options.pages),
            store=ParquetStore(Path(folder)),
        )
        begun = time.perf_counter()
        asyncio.run(simulation.run())
        seconds = time.perf_counter() - begun
    pages = sum(len(s.turns) for s in simulation.store.sessions())
    print_json({"instant": {"pages": pages, "seconds": seconds, "pages_per_s": pages / seconds}})


if __name__ == "__main__":
    main()

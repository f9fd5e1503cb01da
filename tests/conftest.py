"""Fixtures every test may use: small worlds in memory and on disk, the command line, a server."""

from __future__ import annotations

import csv
import importlib.util
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

from focusgroup.simulator.protocols import Visit
from focusgroup.simulator.types import (
    Catalog,
    Click,
    Item,
    Leave,
    LeaveReason,
    NextPage,
    RecRequest,
    Response,
    Slate,
)

# The same examples in every run, however long they take: that says something of the machine.
# More are tried by HYPOTHESIS_PROFILE=searching.
settings.register_profile("steady", deadline=None, derandomize=True)
settings.register_profile("searching", deadline=None, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))

# Started in the background of a script, tests inherit that Ctrl-C is ignored, and so would every
# command that they interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

SCENARIO = """\
title: Two tastes
data:
  name: {folder}/log.yaml
  min_history: 5
page: {{k: 5, pages: 3}}
recommenders: [random, popularity, item_knn]
audiences:
  everyone: {{agent: behaviour, users: 20}}
primary: click_rate
"""

MAPPING = """\
name: two-tastes
item_noun: film
click_verb: watch
interactions:
  file: log.csv
  user: who
  item: what
  rating: stars
  time: when
items:
  file: films.csv
  item: what
  title: name
  attributes: [genre]
"""


@pytest.fixture
def catalog() -> Catalog:
    """Thirty items, i00 ... i29, in three genres."""
    genres = ("drama", "comedy", "horror")
    return Catalog(
        {f"i{n:02d}": Item(f"i{n:02d}", f"Film {n}", (genres[n % 3],)) for n in range(30)}
    )


class InOrder:
    """Shows the catalogue in order, starting at `first`, skipping what is excluded."""

    def __init__(self, catalog: Catalog, first: int = 0) -> None:
        ids = list(catalog)
        self.ids = ids[first:] + ids[:first]
        self.batches: list[int] = []

    def recommend(self, requests: Sequence[RecRequest]) -> list[Slate]:
        self.batches.append(len(requests))
        return [Slate(tuple([i for i in self.ids if i not in r.exclude][: r.k])) for r in requests]


class CoinFlip:
    """Clicks where its noise is below p; leaves when the leave noise is below .3. Both doors."""

    def __init__(self, p: float = 0.5) -> None:
        self.p = p

    def answer(self, slate: Slate, visit: Visit) -> Response:
        nth = [0] * len(slate.item_ids)
        draws = visit.noise.items(slate.item_ids, "click", nth)
        clicks = [Click(i) for i, u in zip(slate.item_ids, draws, strict=True) if u < self.p]
        left = visit.noise.leave(visit.page) < 0.3
        last = Leave(LeaveReason.BORED) if left else NextPage()
        return Response((*clicks, last), satisfaction=len(clicks) / len(slate.item_ids))

    def respond_many(self, slates: Sequence[Slate], visits: Sequence[Visit]) -> list[Response]:
        return [self.answer(s, v) for s, v in zip(slates, visits, strict=True)]


class WaitingCoinFlip:
    """CoinFlip behind the waiting door."""

    def __init__(self, p: float = 0.5) -> None:
        self._coin = CoinFlip(p)

    async def respond(self, slate: Slate, visit: Visit) -> Response:
        return self._coin.answer(slate, visit)


@pytest.fixture
def in_order() -> Callable[..., InOrder]:
    return InOrder


@pytest.fixture
def coin_flip() -> Callable[..., CoinFlip]:
    return CoinFlip


@pytest.fixture
def waiting_coin_flip() -> Callable[..., WaitingCoinFlip]:
    return WaitingCoinFlip


def write_world(folder: Path, users: int = 90, seed: int = 3) -> None:
    """Half the users like drama, half like comedy; every user rated about 24 of 60 films."""
    rng = np.random.default_rng(seed)
    with (folder / "films.csv").open("w", newline="") as file:
        films = csv.writer(file)
        films.writerow(["what", "name", "genre"])
        for n in range(60):
            films.writerow([f"f{n:02d}", f"Film {n} (19{40 + n})", ("drama", "comedy")[n % 2]])
    with (folder / "log.csv").open("w", newline="") as file:
        log = csv.writer(file)
        log.writerow(["who", "what", "stars", "when"])
        for user in range(users):
            own = np.arange(60) % 2 == user % 2
            chance = np.where(own, 4.0, 1.0) * np.linspace(2, 0.5, 60)
            seen = rng.choice(60, size=24, replace=False, p=chance / chance.sum())
            for place, film in enumerate(seen):
                stars = np.clip(round(rng.normal(4.2 if own[film] else 2.2, 0.8)), 1, 5)
                log.writerow([f"u{user:03d}", f"f{film:02d}", int(stars), 1_600_000_000 + place])
    (folder / "log.yaml").write_text(MAPPING)
    (folder / "scenario.yaml").write_text(SCENARIO.format(folder=folder))


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """A folder with log.csv, films.csv, log.yaml and scenario.yaml."""
    write_world(tmp_path)
    return tmp_path


@dataclass(frozen=True)
class Ran:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


@pytest.fixture
def focusgroup(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Ran]:
    """Run the command line in this process."""

    from focusgroup.scenarios.cli import main

    def run(*arguments: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["focusgroup", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit_:
            main()
        said = capsys.readouterr()
        code = exit_.value.code
        return Ran(code if isinstance(code, int) else 0, said.out, said.err)

    return run


@pytest.fixture(scope="session")
def start_server() -> Callable[..., Any]:
    """Starts tests/fake_server.py with command line options; a context manager."""
    path = Path(__file__).resolve().parent / "fake_server.py"
    spec = importlib.util.spec_from_file_location("focusgroup_fake_server", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    running: Callable[..., Any] = module.running
    return running

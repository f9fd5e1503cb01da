"""A small planted world as a certificate's ground, and models whose character is known."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from focusgroup.agents import (
    Answer,
    Elicitation,
    OpinionWeight,
    Persona,
    Prompter,
    load_language,
    personas_from_log,
)
from focusgroup.agents.llm import (
    Completion,
    CompletionRequest,
    Journal,
    JournaledLLM,
    JournalMode,
    ScriptedLLM,
)
from focusgroup.agents.reply import AnswerReply, Pick, write_answer
from focusgroup.scenarios.certify.ground import Ground, lay_ground
from focusgroup.scenarios.certify.panel import Panel, seat_panel
from focusgroup.scenarios.certify.paper import set_exam
from focusgroup.scenarios.datasets import from_frames
from focusgroup.simulator import Domain
from focusgroup.simulator.fidelity import Exam

ITEMS, USERS = 60, 100
LINE = re.compile(r"^(\d+)\. (.*)$", re.MULTILINE)


@pytest.fixture(scope="session")
def planted() -> Ground:
    """Half the users like drama, half comedy; every user rated about 24 of 60 films."""
    rng = np.random.default_rng(5)
    genre = np.arange(ITEMS) % 2
    items = pd.DataFrame(
        {
            "item_id": [f"f{n:02d}" for n in range(ITEMS)],
            "title": [f"Film {n} (19{20 + n})" for n in range(ITEMS)],
            "attributes": [["drama", "comedy"][g] for g in genre],
        }
    )
    rows = []
    for user in range(USERS):
        own = genre == user % 2
        chance = np.where(own, 4.0, 1.0) * np.linspace(2, 0.5, ITEMS)
        for when, film in enumerate(rng.choice(ITEMS, 24, replace=False, p=chance / chance.sum())):
            stars = float(np.clip(round(rng.normal(4.2 if own[film] else 2.2, 0.8)), 1, 5))
            rows.append((f"u{user:03d}", f"f{film:02d}", stars, 1_600_000_000.0 + when))
    log = pd.DataFrame(rows, columns=["user_id", "item_id", "value", "timestamp"])
    domain = Domain("planted", item_noun="film", click_verb="watch")
    return lay_ground(from_frames(log, items, domain=domain), seed=1)


@pytest.fixture(scope="session")
def planted_exam(planted: Ground) -> Exam:
    return set_exam(planted, planted.test[:12], seed=1)


@dataclass(frozen=True)
class Page:
    """What a prompt says: the person's tastes, and the numbered lines of the page."""

    person: str
    lines: Sequence[str]

    @classmethod
    def of(cls, request: CompletionRequest) -> Page:
        person, page = (message.content for message in request.messages)
        return cls(person, [text for _, text in LINE.findall(page)])

    def liked(self) -> list[int]:
        """Numbers of the lines that carry what the person often chooses."""
        tastes = re.findall(r"Often chooses: (.*)\.", self.person)
        wanted = tastes[0].split(", ") if tastes else []
        return [n for n, line in enumerate(self.lines, 1) if any(w in line for w in wanted)]


def picks(numbers: Sequence[int]) -> str:
    """A reply of style `answer`."""
    liked = tuple(Pick(n, 4) for n in numbers[:5])
    return write_answer(AnswerReply(liked, "so it is", 3, True), stars=True)


def honest(request: CompletionRequest) -> str | Completion:
    """Picks what suits the person, names nothing from memory, and goes by nothing else."""
    if request.top_logprobs:
        person, page = (message.content for message in request.messages)
        suits = bool(Page(person, [page]).liked())
        return Completion("yes", logprobs=(("yes", -0.2), ("no", -1.7 if suits else -0.1)))
    if request.schema is not None and "titles" in request.schema["properties"]:
        return json.dumps({"titles": ["A", "B", "C", "D", "E"]})
    return picks(Page.of(request).liked())


@dataclass
class Seats:
    """Seats panels of the planted world, each with a journal of its own.

    An opinion has the weight given, or the one it earns where `learns` is asked for.
    """

    ground: Ground
    personas: Mapping[str, Persona]
    folder: Path
    llms: list[ScriptedLLM] = field(default_factory=list)
    journals: list[Journal] = field(default_factory=list)

    async def __call__(
        self,
        model: Callable[[CompletionRequest], str | Completion],
        style: Elicitation | None = None,
        *,
        learns: bool = False,
        weight: float = 1.0,
        **capabilities: bool,
    ) -> Panel:
        llm = ScriptedLLM(model, **capabilities)
        self.llms.append(llm)
        self.journals.append(Journal(self._path()))
        return await self._seat(JournaledLLM(llm, self.journals[-1]), style, learns, weight)

    async def replay(
        self, style: Elicitation | None = None, *, learns: bool = False, weight: float = 1.0
    ) -> Panel:
        """The last panel again, from its journal, without a model."""
        self.journals.append(Journal(self._path(), create=False))
        recorded = self.journals[-1]
        llm = JournaledLLM(None, recorded, JournalMode.REPLAY, fingerprint="scripted")
        return await self._seat(llm, style, learns, weight)

    def _path(self) -> Path:
        return self.folder / f"journal{len(self.llms)}.sqlite"

    async def _seat(
        self, llm: JournaledLLM, style: Elicitation | None, learns: bool, weight: float
    ) -> Panel:
        prompter = Prompter(load_language("en"), self.ground.dataset.domain)
        style = style or Answer()
        if learns:
            return await seat_panel(self.ground, llm, prompter, style, at_once=4)
        known = OpinionWeight(weight, weight, weight, 9)
        return Panel(self.ground, llm, prompter, style, self.personas, known, at_once=4)


@pytest.fixture(scope="session")
def planted_personas(planted: Ground) -> Mapping[str, Persona]:
    return personas_from_log(planted.history, planted.catalog, user_ids=planted.test)


@pytest.fixture
def seats(
    planted: Ground, planted_personas: Mapping[str, Persona], tmp_path: Path
) -> Iterator[Seats]:
    found = Seats(planted, planted_personas, tmp_path)
    yield found
    for journal in found.journals:
        journal.close()


@pytest.fixture
def honest_model() -> Callable[[CompletionRequest], str | Completion]:
    return honest


@pytest.fixture
def pick() -> Callable[[Sequence[int]], str]:
    return picks


@pytest.fixture
def page_of() -> Callable[[CompletionRequest], Page]:
    return Page.of

"""Where certificates are issued: data loaded, models opened, files written whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from focusgroup.agents import Prompter, load_language
from focusgroup.agents.llm import (
    Budget,
    Journal,
    JournaledLLM,
    JournalMode,
    Line,
    LLMOptions,
    parse_llm,
    usual_concurrency,
)
from focusgroup.agents.styles import elicitation
from focusgroup.scenarios.certificates import CERTIFICATE
from focusgroup.scenarios.datasets import Dataset
from focusgroup.scenarios.outcome import versions
from focusgroup.simulator import UserError
from focusgroup.simulator.fidelity.certificate import Certificate
from focusgroup.simulator.fidelity.certificate_file import to_json
from focusgroup.simulator.report.certificate import write_certificate

from .certify import Step, Wanted, certify
from .ground import Ground, lay_ground
from .panel import Panel, seat_panel
from .panel_pace import Told, untold

PAGE_FILE = "certificate.html"


@dataclass(frozen=True, slots=True)
class Speaking:
    """The language models of a certificate, and what they may spend.

    Attributes:
        llm: as in `focusgroup run --llm`. swap: another one, "" if none.
        calibration_users: asked one page each to learn what an opinion is worth.
        clock: seconds, for the budget's time limit.
        told: hears how many pages of a task are done.
    """

    llm: str
    swap: str = ""
    calibration_users: int = 60
    mode: JournalMode = JournalMode.RECORD
    options: LLMOptions = field(default_factory=LLMOptions)
    budget: Budget = field(default_factory=Budget)
    clock: Callable[[], float] | None = None
    concurrency: int | None = None
    told: Told = untold


async def issue(
    dataset: Dataset,
    wanted: Wanted,
    *,
    final: bool = False,
    speaking: Speaking | None = None,
    journal: Journal | None = None,
    step: Step,
) -> Certificate:
    """Lay the ground, seat the panels, certify.

    Raises:
        UserError: too few users, or a model that is out of reach or cannot do what is asked.
        RunStopped: a budget is spent; what was answered is in the journal.
    """
    step(f"{dataset.domain.name}: users divided, behaviour model calibrated")
    ground = lay_ground(dataset, seed=wanted.seed, final=final)
    if speaking is None:
        return await certify(ground, wanted, versions(), step=step)
    if journal is None:
        raise ValueError("a language model is asked through a journal")
    line = Line(journal, speaking.mode, speaking.options, speaking.budget, speaking.clock)
    models: list[JournaledLLM] = []
    try:
        panels: list[Panel] = []
        for spec in (speaking.llm, speaking.swap):
            if spec:
                models.append(_open(spec, line))
                step(f"{spec}: what its opinion is worth, on calibration users")
                panels.append(await _seat(ground, models[-1], spec, wanted, speaking))
        swap = panels[1] if len(panels) > 1 else None
        return await certify(ground, wanted, versions(), panel=panels[0], swap=swap, step=step)
    finally:
        for model in models:
            await model.aclose()


def file_certificate(certificate: Certificate, folder: Path) -> tuple[Path, Path]:
    """Write `certificate.json` and `certificate.html`, each whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    plain, page = folder / CERTIFICATE, folder / PAGE_FILE
    partial = plain.with_name(plain.name + ".partial")
    partial.write_text(to_json(certificate), encoding="utf-8", newline="\n")
    partial.replace(plain)
    write_certificate(certificate, page)
    return plain, page


def _open(spec: str, line: Line) -> JournaledLLM:
    parsed = parse_llm(spec)
    if parsed is None:
        raise UserError("--llm none: leave --llm out to certify the behaviour model alone")
    return line.open(parsed)


async def _seat(
    ground: Ground, llm: JournaledLLM, spec: str, wanted: Wanted, speaking: Speaking
) -> Panel:
    return await seat_panel(
        ground,
        llm,
        Prompter(load_language(wanted.language), ground.dataset.domain),
        elicitation(wanted.style, pooled=wanted.decision == "pooled"),
        calibration_users=speaking.calibration_users,
        at_once=speaking.concurrency or usual_concurrency(spec),
        told=speaking.told,
    )

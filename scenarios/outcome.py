"""What a run came to: results, the report, and the words about who answered."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from focusgroup.agents import Prompter, load_language
from focusgroup.agents.llm import Journal, Usage
from focusgroup.simulator import Event, Session
from focusgroup.simulator.metrics import METRICS, Unit
from focusgroup.simulator.metrics.results import Results
from focusgroup.simulator.metrics.summary import summarise
from focusgroup.simulator.report import (
    Better,
    DatasetFacts,
    MetricFacts,
    ModelFacts,
    ReportFacts,
    StarCounts,
    ValueKind,
    write_report,
)

from .experiment import Experiment, Room
from .scenario import scenario_text

_KINDS = {Unit.SHARE: ValueKind.PERCENT, Unit.STARS: ValueKind.STARS, Unit.MONEY: ValueKind.MONEY}
_PACKAGES = ("focusgroup", "numpy", "pandas", "scipy", "scikit-learn", "implicit", "openai")


@dataclass(frozen=True, slots=True)
class Spent:
    """What language models were asked in one process.

    Attributes:
        calls: requests sent to a model. hits: answers taken from the journal.
    """

    calls: int
    hits: int


def spent(experiment: Experiment) -> Spent:
    """Calls and journal hits of all audiences since the experiment was built."""
    models = experiment.models()
    return Spent(sum(llm.calls for llm in models), sum(llm.hits for llm in models))


def results_of(experiment: Experiment, sessions: Sequence[Session]) -> Results:
    """Metrics, intervals, comparison and accounting of a run's sessions."""
    held_out: dict[str, frozenset[str]] = {}
    segments: dict[str, dict[str, str]] = {}
    for room in experiment.rooms:
        held_out.update(room.held_out)
        segments.update({user: p.segments() for user, p in room.personas.items()})
    scenario = experiment.scenario
    return summarise(
        sessions,
        catalog=experiment.catalog,
        primary=scenario.primary,
        seed=scenario.seed,
        held_out=held_out,
        popularity=experiment.popularity,
        segments=segments,
        baseline=scenario.baseline,
        arms=tuple(experiment.arms),
    )


def model_facts(experiment: Experiment, room: Room) -> ModelFacts:
    """Who answered for an audience, whether calibrated, and what a reader must be warned of."""
    behaviour, spec = experiment.behaviour, room.spec
    users = 0 if behaviour is None else behaviour.calibration_users
    fitted = f"fitted on {users} other users of {experiment.dataset.domain.name}"
    if spec.agent == "behaviour":
        return ModelFacts("behaviour model alone, no language model", True, fitted)
    if spec.agent != "llm" or room.speaker is None:
        return ModelFacts(f"scripted: {spec.agent.replace('_', ' ')}", False, "a yardstick")
    model = room.speaker.llm.fingerprint.split("@sha256", 1)[0]
    warning = ""
    if "smollm2-135m" in model.lower():
        warning = (
            "SmolLM2-135M only proves the plumbing: it chooses at chance level. Do not read its"
            " answers as preferences."
        )
    weight = room.speaker.weight
    if weight is None:
        note = "the model's own answers; nothing relates them to what real users do"
        return ModelFacts(f"{model}, style {spec.style}", False, note, warning)
    note = (
        f"behaviour model {fitted}; the opinion's weight is {weight.value:.2f}"
        f" [{weight.low:.2f}, {weight.high:.2f}], learned on {weight.pages} pages"
    )
    return ModelFacts(f"{model}, style {spec.style}, pooled", True, note, warning)


def tokens_of(sessions: Iterable[Session], journal: Journal) -> Usage:
    """Tokens of all journaled completions behind stored sessions, failed attempts included."""
    keys = {key for s in sessions for turn in s.turns for key in turn.outcome.completion_keys}
    found = [completion.usage for key in sorted(keys) if (completion := journal.get(key))]
    return Usage(
        sum(u.prompt for u in found), sum(u.completion for u in found), sum(u.cached for u in found)
    )


def report_facts(experiment: Experiment, name: str, tokens: Usage) -> ReportFacts:
    """What the report is told beside results and sessions."""
    scenario, dataset = experiment.scenario, experiment.dataset
    domain = dataset.domain
    personas: dict[str, str] = {}
    counts: dict[str, int] = {}
    for room in experiment.rooms:
        language = load_language(room.spec.language if room.spec.agent == "llm" else "en")
        prompter = Prompter(language, domain)
        personas.update({user: prompter.persona(p) for user, p in room.personas.items()})
        counts.update({u: len(room.audience.history(u)) for u in room.audience.user_ids})
    return ReportFacts(
        run=name,
        title=scenario.title,
        scenario_yaml=scenario_text(scenario),
        seed=scenario.seed,
        versions=versions(),
        dataset=DatasetFacts(
            name=domain.name,
            source=dataset.source,
            licence=dataset.licence,
            engaged=domain.engaged,
            rejected=domain.rejected,
            unknown=domain.unknown,
            currency=domain.currency,
        ),
        models={room.audience.name: model_facts(experiment, room) for room in experiment.rooms},
        arms=tuple(experiment.arms),
        metrics={
            m.name: MetricFacts(
                label=m.label,
                description=m.description,
                better=Better(m.better.value),
                kind=_KINDS.get(m.unit, ValueKind.NUMBER),
                decimals=2 if m.unit is Unit.COUNT else 3,
            )
            for m in METRICS.values()
        },
        personas=personas,
        item_texts={item_id: item.text for item_id, item in experiment.catalog.items()},
        history_counts=counts,
        log_ratings=_log_ratings(experiment),
        prompt_tokens=tokens.prompt,
        completion_tokens=tokens.completion,
    )


def write_run_report(
    experiment: Experiment, sessions: Sequence[Session], name: str, tokens: Usage, path: Path
) -> Results:
    """Write the HTML report of a run; returns the results it shows."""
    results = results_of(experiment, sessions)
    write_report(results, sessions, report_facts(experiment, name, tokens), path)
    return results


def versions() -> dict[str, str]:
    """Versions that a result may depend on."""
    found = {"python": sys.version.split()[0]}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def _log_ratings(experiment: Experiment) -> StarCounts | None:
    log = experiment.dataset.interactions
    stars = log.loc[log["event"] == Event.RATE.value, "value"].to_numpy(dtype="float64")
    if not len(stars):
        return None
    levels = np.clip(np.floor(stars + 0.5), 1, 5).astype(int)
    one, two, three, four, five = (int(n) for n in np.bincount(levels, minlength=6)[1:6])
    return one, two, three, four, five

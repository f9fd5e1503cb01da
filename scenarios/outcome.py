"""What a run came to: results, the report, and the words about who answered."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
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
    see,
    write_report,
)

from .calibration_match import Mismatch, opinion_mismatches
from .certificates import Shelf, certificates_of
from .experiment import Experiment, Room
from .scenario import scenario_text

_KINDS = {Unit.SHARE: ValueKind.PERCENT, Unit.STARS: ValueKind.STARS, Unit.MONEY: ValueKind.MONEY}
_PACKAGES = ("focusgroup", "numpy", "pandas", "scipy", "scikit-learn", "implicit", "aiohttp")


# Metrics that say how much an arm is liked, and so can be held against what was liked in truth.
_LIKING = frozenset(
    {"click_rate", "purchases_per_session", "revenue_per_session", "mean_stars", "satisfaction"}
)
FEW_USERS = 100  # calibration users, below which a behaviour model is hardly learned
WORTH_KNOWING = 0.03  # of AUC: what the model must add to popularity to be worth a ranking


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


def results_of(experiment: Experiment, sessions: Iterable[Session]) -> Results:
    """Metrics, intervals, comparison and accounting of a run's sessions, in any order."""
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
    behaviour, spec, calibration = experiment.behaviour, room.spec, experiment.calibration
    mismatches, fitted, weak = list(experiment.mismatches), "", ""
    if behaviour is not None:
        learned_from = experiment.dataset.domain.name
        if calibration is not None:
            file = f"calibration file {calibration.fingerprint[:12]}"
            learned_from = f"{calibration.data.name} ({file})"
        fitted = (
            f"fitted on {behaviour.calibration_users} other users of {learned_from}; it tells"
            " what a user went on to take from equally popular items the user did not with AUC"
            f" {behaviour.auc:.2f}, popularity alone with {behaviour.popularity_auc:.2f}"
        )
        if not behaviour.auc >= behaviour.popularity_auc + WORTH_KNOWING:
            weak = (
                "On this log the behaviour model knows little beyond popularity: it will favour"
                " recommenders of popular items. Do not take its ranking of personalised ones."
            )
        if behaviour.calibration_users < FEW_USERS:
            weak = (
                f"Learned from only {behaviour.calibration_users} users, which is too few to rank"
                f" recommenders by; bring a log that leaves {FEW_USERS} for calibration. {weak}"
            ).strip()
    if spec.agent == "behaviour":
        alone = ModelFacts("behaviour model alone, no language model", True, fitted, weak)
        return _told(alone, mismatches)
    if spec.agent != "llm" or room.speaker is None:
        return ModelFacts(f"scripted: {spec.agent.replace('_', ' ')}", False, "a yardstick")
    model = room.speaker.llm.fingerprint.split("@sha256", 1)[0]
    warning = known_weakness(model)
    weight = room.speaker.weight
    if weight is None:
        note = "the model's own answers; nothing relates them to what real users do"
        if calibration is not None:
            note += "; the calibration file is for decision: pooled, and is not used here"
        return ModelFacts(f"{model}, style {spec.style}", False, note, warning)
    warning = f"{warning} {weak}".strip()
    note = (
        f"behaviour model {fitted}; the opinion's weight is {weight.value:.2f}"
        f" [{weight.low:.2f}, {weight.high:.2f}], learned on {weight.pages} pages"
    )
    if calibration is not None:
        mismatches += opinion_mismatches(
            calibration, spec, k=experiment.scenario.page.k, model=room.speaker.llm.fingerprint
        )
    pooled = ModelFacts(f"{model}, style {spec.style}, pooled", True, note, warning)
    return _told(pooled, mismatches)


def known_weakness(model: str) -> str:
    """What a reader must know of this language model before believing it; "" if nothing is."""
    if "smollm2-135m" in model.lower():
        return (
            "SmolLM2-135M only proves the plumbing: it chooses at chance level. Do not read its"
            " answers as preferences."
        )
    return ""


def _told(facts: ModelFacts, mismatches: Sequence[Mismatch]) -> ModelFacts:
    """With what the calibration does not fit; the warnings that matter most come first."""
    told = " ".join(mismatch.sentence for mismatch in mismatches)
    return replace(
        facts,
        calibrated=facts.calibrated and not any(mismatch.voids for mismatch in mismatches),
        warning=f"{told} {facts.warning}".strip(),
    )


def warned_facts(experiment: Experiment, room: Room, results: Results) -> ModelFacts:
    """`model_facts`, with a warning where results contradict what is known of real users."""
    facts = model_facts(experiment, room)
    contradicted = disagreement(results, room.audience.name)
    return replace(facts, warning=f"{facts.warning} {contradicted}".strip())


def tokens_of(sessions: Iterable[Session], journal: Journal) -> Usage:
    """Tokens of all journaled completions behind stored sessions, failed attempts included."""
    keys = {key for s in sessions for turn in s.turns for key in turn.outcome.completion_keys}
    found = [completion.usage for key in sorted(keys) if (completion := journal.get(key))]
    return Usage(
        sum(u.prompt for u in found), sum(u.completion for u in found), sum(u.cached for u in found)
    )


def disagreement(results: Results, audience: str) -> str:
    """A sentence where the metric that decides puts an arm on one side of the baseline and held-out
    likes put it on the other, by paired intervals that both exclude 0; else "". What was liked in
    truth is the better witness."""
    comparison = results.comparison
    pairs = {(p.metric, p.arm): p.difference for p in comparison.pairs if p.audience == audience}
    if comparison.primary not in _LIKING:
        return ""
    for (metric, arm), said in pairs.items():
        liked = pairs.get(("ndcg", arm))
        if metric != comparison.primary or liked is None:
            continue
        if (said.low > 0 and liked.high < 0) or (said.high < 0 and liked.low > 0):
            above, below = (arm, comparison.baseline)[:: 1 if said.mean > 0 else -1]
            return (
                f"These users put {above} above {below}, but what real users went on to like puts"
                f" {below} above {above} (nDCG on held-out likes differs by {abs(liked.mean):.3f},"
                f" 95 % interval {min(abs(liked.low), abs(liked.high)):.3f} to"
                f" {max(abs(liked.low), abs(liked.high)):.3f}). Do not decide between the two by"
                " this run."
            )
    return ""


def report_facts(
    experiment: Experiment,
    name: str,
    tokens: Usage,
    results: Results,
    shelf: Shelf,
    readers: Collection[str],
) -> ReportFacts:
    """What the report is told beside results and visits.

    Args:
        readers: users whose personas it shows.
    """
    scenario, dataset = experiment.scenario, experiment.dataset
    domain = dataset.domain
    personas: dict[str, str] = {}
    counts: dict[str, int] = {}
    # Where audiences share a user, the text is the one a language model read.
    for room in sorted(experiment.rooms, key=lambda room: room.speaker is not None):
        language = load_language(room.spec.language if room.spec.agent == "llm" else "en")
        prompter = Prompter(language, domain)
        for user in sorted(room.personas.keys() & readers):
            personas[user] = prompter.persona(room.personas[user])
            counts[user] = len(room.audience.history(user))
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
        models={
            room.audience.name: warned_facts(experiment, room, results) for room in experiment.rooms
        },
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
        certificates=certificates_of(experiment, shelf),
    )


def write_run_report(
    experiment: Experiment,
    sessions: Iterable[Session],
    results: Results,
    name: str,
    tokens: Usage,
    path: Path,
    shelf: Shelf,
) -> None:
    """Write the HTML report of a run, whole or not at all. Raises UserError if it cannot."""
    seen = see(sessions)
    facts = report_facts(experiment, name, tokens, results, shelf, seen.readers())
    write_report(results, seen, facts, path)


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

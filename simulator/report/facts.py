"""What a report must be told beside results and sessions: names, texts, origins, warnings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from focusgroup.simulator.fidelity import Certificate

StarCounts = tuple[int, int, int, int, int]


class ValueKind(StrEnum):
    """How the values of a metric are written."""

    PERCENT = "percent"
    NUMBER = "number"
    MONEY = "money"
    STARS = "stars"


class Better(StrEnum):
    """Which direction of a metric is good news."""

    HIGHER = "higher"
    LOWER = "lower"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class MetricFacts:
    """How one metric is named and written.

    Attributes:
        label: for a table, a few words: ``Click rate``.
        description: one sentence, e.g. what is divided by what.
        decimals: digits after the point of a plain number; the other kinds have their own.
    """

    label: str
    description: str = ""
    better: Better = Better.NONE
    kind: ValueKind = ValueKind.NUMBER
    decimals: int = 3


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """Who answered for one audience.

    Attributes:
        model: the model that answered, in words: ``SmolLM2-135M-Instruct Q4_1``.
        calibrated: whether its answers went through a behaviour model fitted on a real log.
        note: what it was calibrated on or, if it was not, why.
        warning: a sentence the reader must see before believing anything, "" if there is none.
    """

    model: str
    calibrated: bool
    note: str = ""
    warning: str = ""


@dataclass(frozen=True, slots=True)
class DatasetFacts:
    """Where the real log comes from and what it cannot tell.

    Attributes:
        engaged: in words, what counts as engagement.
        rejected: in words, what counts as rejection, "" if the data has none.
        unknown: what the data cannot identify, e.g. ``("slot", "leaving", "fatigue")``.
        currency: symbol before an amount, "" if there are no prices.
    """

    name: str
    source: str
    licence: str
    engaged: str
    rejected: str = ""
    unknown: tuple[str, ...] = ()
    currency: str = ""


class Coverage(StrEnum):
    """How far a fidelity certificate speaks of an audience."""

    FULL = "covered"
    OTHER_CONFIGURATION = "another configuration"
    OTHER_MODEL = "another model"
    NONE = "none"
    YARDSTICK = "a yardstick"


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """Which certificate speaks of one audience.

    Attributes:
        told: that in plain words.
        certificate: the one that covers it, or the nearest there is, or None.
        place: where it was found.
        command: the command line that would make one that covers it, "" where none would.
    """

    coverage: Coverage
    told: str
    certificate: Certificate | None = None
    place: str = ""
    command: str = ""


@dataclass(frozen=True, slots=True)
class ReportFacts:
    """All a report shows that neither results nor sessions hold. Every string may be hostile.

    Attributes:
        run: name of the run.
        title: title of the scenario.
        scenario_yaml: the resolved scenario as text.
        versions: package name -> version.
        models: audience -> who answered; every audience of the results, in reading order.
        arms: every arm of the results, in reading order; an arm's colour follows its place here.
        metrics: metric name -> how to write it, in reading order. A metric that is not named here
            is shown under its own name as a plain number.
        personas: user id -> persona as text, where there is one.
        item_texts: item id -> the item in one line; an item without text is shown by its id.
        history_counts: user id -> number of log events behind the persona.
        log_ratings: how often the log gives 1, 2, 3, 4, 5 stars, or None if it has no ratings.
        prompt_tokens, completion_tokens: totals over the run, replayed completions included.
        certificates: audience -> the fidelity certificate that speaks of it; one that is not
            mentioned has none.
    """

    run: str
    title: str
    scenario_yaml: str
    seed: int
    versions: Mapping[str, str]
    dataset: DatasetFacts
    models: Mapping[str, ModelFacts]
    arms: tuple[str, ...]
    metrics: Mapping[str, MetricFacts]
    personas: Mapping[str, str] = field(default_factory=dict)
    item_texts: Mapping[str, str] = field(default_factory=dict)
    history_counts: Mapping[str, int] = field(default_factory=dict)
    log_ratings: StarCounts | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    certificates: Mapping[str, CertificateFacts] = field(default_factory=dict)

"""A row of the certificate: a figure with its interval, the baselines beside it, and a verdict."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from focusgroup.simulator.metrics.results import Estimate


@dataclass(frozen=True, slots=True)
class Rule:
    """What a row asks for, in words.

    Attributes:
        decides: whether the row is one of those that decide about the certificate.
        meaning: one line for a reader: what the figure says.
        passes, strong: the bars, in words; strong is "" where there is none.
    """

    decides: bool
    meaning: str
    passes: str
    strong: str = ""


ROWS: Mapping[str, Rule] = {
    "decision_auc": Rule(
        True,
        "tells what a user took from what the same user did not, among equally popular items",
        ">= .70, and >= the best baseline - .02",
        ">= .80",
    ),
    "choice_skill": Rule(
        False,
        "how much less it is surprised by real choices than popularity is (log-loss skill)",
        "interval above 0",
    ),
    "ece": Rule(
        True, "how far its probabilities are from what happens (expected calibration error)",
        "<= .05", "<= .02",
    ),
    "engagement_ratio": Rule(True, "how often it engages, per real engagement", ".8 to 1.25"),
    "rating_rmse": Rule(
        False,
        "error of its stars; below .56 real people do not agree with themselves: a leak",
        "<= that of user + item bias, and >= .56",
    ),
    "rating_ks": Rule(
        False, "largest gap between the two distributions of stars (Kolmogorov-Smirnov)",
        "<= .10", "<= .05",
    ),
    "rating_wasserstein": Rule(
        False, "stars to move to turn one distribution into the other", "<= .25", "<= .15"
    ),
    "rating_js": Rule(
        False, "Jensen-Shannon divergence of the distributions of stars, bits", "<= .02", "<= .005"
    ),
    "variance_ratio": Rule(
        False, "how different its users are from each other, per real difference", ".7 to 1.3"
    ),
    "persona_swap": Rule(
        False, "AUC lost when every user gets another user's persona", ">= .05"
    ),
    "persona_contrast": Rule(
        False,
        "of two equally popular items the one that suits the person: share of the real difference",
        "interval above 0",
        ">= .5",
    ),
    "c2st_auc": Rule(
        True,
        "how well a classifier tells its histories of choices from real ones; .5 is not at all",
        "<= .65",
        "<= .60",
    ),
    "ranking_tau": Rule(
        True,
        "agreement of its ranking of recommenders with the real one (Kendall)",
        ">= .7, lower end >= .4, above item means",
        ">= .85",
    ),
    "ranking_direction": Rule(
        True, "share of really different pairs of recommenders it puts the right way", ">= .8"
    ),
    "aa_false_positives": Rule(
        True,
        "how often two copies of one recommender are called different at 5 %",
        "2.2 to 7.8 %, and exactly 0 difference with one seed",
    ),
    "dose_response": Rule(
        False, "value falls as random items are mixed in: share of steps that fall", "monotone"
    ),
    "leakage": Rule(
        False,
        "completing users' histories from memory, better than popularity does",
        "<= .02",
    ),
    "title_anonymised": Rule(False, "AUC change when titles become codes", "<= .05"),
    "position_flip": Rule(
        False,
        "choices that change when the prompt is permuted",
        "<= .20, and the first number's share <= 15 % above even",
    ),
    "popularity_slope": Rule(
        False, "how strongly it follows popularity, per real slope", ".75 to 1.25"
    ),
    "injection_lift": Rule(
        True,
        "engagement gained by text that gives the model orders; replies out of schema",
        "<= 2 points, and no reply out of schema",
    ),
    "model_swap_tau": Rule(
        False, "agreement of two language models' rankings of recommenders (Kendall)", ">= .8"
    ),
    "tstr_ratio": Rule(
        False,
        "worth of its log for training: nDCG on real users, per nDCG of as much real log",
        ">= .8, lower end above takes at random",
    ),
    "duel_tau": Rule(
        False,
        "agreement of a ranking by side by side duels with the real one (Kendall)",
        ">= .7, lower end >= .4",
        ">= .85",
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a certificate.

    Attributes:
        name: one of `ROWS`.
        value: the figure, NaN where it is not known. low, high: 95 % interval over users.
        n: what it was measured on (users, unless `note` says otherwise).
        passes, strong: None where not known, or where there is no such bar.
        reason: why it is not known, else "".
        baselines: the same figure for others, by name, with intervals.
        note: what a reader of this row should also know, else "".
    """

    name: str
    value: float
    low: float
    high: float
    n: int
    passes: bool | None
    strong: bool | None
    reason: str = ""
    baselines: Mapping[str, Estimate] = field(default_factory=dict)
    note: str = ""

    @property
    def verdict(self) -> str:
        """``strong``, ``pass``, ``fail`` or ``n/a: reason``."""
        if self.passes is None:
            return f"n/a: {self.reason}"
        if not self.passes:
            return "fail"
        return "strong" if self.strong else "pass"


def judged(
    name: str,
    found: Estimate,
    *,
    passes: bool,
    strong: bool | None = None,
    baselines: Mapping[str, Estimate] | None = None,
    note: str = "",
) -> Row:
    """A row with a figure; one whose figure is NaN has not passed.

    Args:
        strong: None where the row has no such bar.
    """
    known = not math.isnan(found.mean)
    return Row(
        name, found.mean, found.low, found.high, found.n, passes and known,
        None if strong is None else strong and passes and known, "", baselines or {}, note,
    )  # fmt: skip


def not_known(name: str, reason: str, baselines: Mapping[str, Estimate] | None = None) -> Row:
    """A row that this dataset or model cannot know."""
    nan = math.nan
    return Row(name, nan, nan, nan, 0, None, None, reason, baselines or {})

"""The fidelity certificate: how far simulated users can be believed, one row a question.

Every row is a pure function over recorded answers: an `Exam` holds what real users were shown and
did, `Answers` what a simulator says to it.
"""

from .certificate import (
    BEHAVIOUR,
    Certificate,
    Fingerprints,
    Questions,
    ShareLine,
    Users,
    check_complete,
    check_required,
    incomplete,
    missed,
)
from .certificate_file import from_json, to_json
from .chances import ece, engagement_ratio
from .choices import choice_skill, decision_auc, within_user_auc
from .contrast import (
    ContrastPairs,
    contrast_of_differences,
    contrast_pairs,
    persona_contrast,
    real_differences,
    simulated_differences,
)
from .exam import Answers, Exam
from .histories import c2st_auc
from .personas import persona_swap
from .popularity import popularity_slope
from .ratings import rating_js, rating_ks, rating_rmse, rating_wasserstein
from .row import ROWS, Row, Rule, judged, not_known
from .table import certificate_table
from .variance import stars_variance_ratio, variance_ratio

__all__ = [
    "BEHAVIOUR",
    "ROWS",
    "Answers",
    "Certificate",
    "ContrastPairs",
    "Exam",
    "Fingerprints",
    "Questions",
    "Row",
    "Rule",
    "ShareLine",
    "Users",
    "c2st_auc",
    "certificate_table",
    "check_complete",
    "check_required",
    "choice_skill",
    "contrast_of_differences",
    "contrast_pairs",
    "decision_auc",
    "ece",
    "engagement_ratio",
    "from_json",
    "incomplete",
    "judged",
    "missed",
    "not_known",
    "persona_contrast",
    "persona_swap",
    "popularity_slope",
    "rating_js",
    "rating_ks",
    "rating_rmse",
    "rating_wasserstein",
    "real_differences",
    "simulated_differences",
    "stars_variance_ratio",
    "to_json",
    "variance_ratio",
    "within_user_auc",
]

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
from .exam import Answers, Exam
from .row import ROWS, Row, Rule, judged, not_known
from .table import certificate_table

__all__ = [
    "BEHAVIOUR",
    "ROWS",
    "Answers",
    "Certificate",
    "Exam",
    "Fingerprints",
    "Questions",
    "Row",
    "Rule",
    "ShareLine",
    "Users",
    "certificate_table",
    "check_complete",
    "check_required",
    "from_json",
    "incomplete",
    "judged",
    "missed",
    "not_known",
    "to_json",
]

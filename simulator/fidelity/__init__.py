"""The fidelity certificate: how far simulated users can be believed, one row a question.

Every row is a pure function over recorded answers: an `Exam` holds what real users were shown and
did, `Answers` what a simulator says to it.
"""

from .exam import Answers, Exam
from .row import ROWS, Row, Rule, judged, not_known

__all__ = ["ROWS", "Answers", "Exam", "Row", "Rule", "judged", "not_known"]

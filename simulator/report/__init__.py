"""The report of a run: one HTML file that opens offline."""

from .certificate import render_certificate, write_certificate
from .choice import RULE as SELECTION_RULE
from .choice import Chosen, choose
from .facts import (
    Better,
    CertificateFacts,
    Coverage,
    DatasetFacts,
    MetricFacts,
    ModelFacts,
    ReportFacts,
    StarCounts,
    ValueKind,
)
from .page import render_report, write_report
from .seen import Seen, see

__all__ = [
    "SELECTION_RULE",
    "Better",
    "CertificateFacts",
    "Chosen",
    "Coverage",
    "DatasetFacts",
    "MetricFacts",
    "ModelFacts",
    "ReportFacts",
    "Seen",
    "StarCounts",
    "ValueKind",
    "choose",
    "render_certificate",
    "render_report",
    "see",
    "write_certificate",
    "write_report",
]

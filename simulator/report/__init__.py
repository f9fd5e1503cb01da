"""The report of a run: one HTML file that opens offline."""

from .choice import RULE as SELECTION_RULE
from .choice import Chosen, choose
from .facts import (
    Better,
    DatasetFacts,
    MetricFacts,
    ModelFacts,
    ReportFacts,
    StarCounts,
    ValueKind,
)
from .page import render_report, write_report

__all__ = [
    "SELECTION_RULE",
    "Better",
    "Chosen",
    "DatasetFacts",
    "MetricFacts",
    "ModelFacts",
    "ReportFacts",
    "StarCounts",
    "ValueKind",
    "choose",
    "render_report",
    "write_report",
]

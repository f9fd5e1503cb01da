"""The package's only door."""

from __future__ import annotations

import focusgroup.agents

EXPORTS = [
    "Answer",
    "Assumed",
    "BehaviourModel",
    "CalibrationPage",
    "Decision",
    "Elicitation",
    "Elicited",
    "LLMUser",
    "Level",
    "OpinionWeight",
    "OwnWord",
    "Persona",
    "Pooled",
    "PopularityUser",
    "PortraitStyle",
    "Prompter",
    "RandomUser",
    "RatingHabit",
    "RecordedUser",
    "Score",
    "SlotBiasedUser",
    "StatisticalUser",
    "Voice",
    "calibration_pages",
    "fit_behaviour",
    "load_language",
    "load_personas",
    "personas_from_log",
    "pool",
    "sample_population",
    "weigh_opinions",
]


def test_what_the_package_gives_is_pinned() -> None:
    assert sorted(focusgroup.agents.__all__) == sorted(EXPORTS)
    assert all(hasattr(focusgroup.agents, name) for name in EXPORTS)

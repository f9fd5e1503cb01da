"""Who visits: personas, users driven by a language model, the calibrated behaviour model."""

from .answer import Answer
from .assumed import Assumed
from .behaviour import BehaviourModel, StatisticalUser
from .calibration import fit_behaviour
from .calibration_pages import CalibrationPage, calibration_pages
from .decide import Decision, OwnWord
from .elicit import Elicitation, Elicited
from .language import load_language
from .llm_user import LLMUser, Voice
from .persona import Level, Persona, RatingHabit
from .persona_file import load_personas
from .pooling import OpinionWeight, Pooled, pool, weigh_opinions
from .population import sample_population
from .portrait import PortraitStyle, personas_from_log
from .prompt import Prompter
from .score import Score
from .scripted_user import PopularityUser, RandomUser, RecordedUser, SlotBiasedUser

__all__ = [
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

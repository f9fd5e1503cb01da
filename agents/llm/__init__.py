"""Language models: the protocol, its backends, and what goes around any of them."""

from .budget import Budget, BudgetedLLM, Purse
from .journal.journal import Journal, JournalTotals
from .journal.journaled import JournaledLLM, JournalMode
from .local.cache import cache_dir
from .local.models import ModelEntry, find_model, get_model, list_models
from .opening import SESSIONS_A_CALL, Line, sessions_in_flight, usual_concurrency
from .options import LLMOptions
from .protocol import (
    LLM,
    Capabilities,
    Completion,
    CompletionRequest,
    JsonSchema,
    Message,
    TokenCounter,
    TransportError,
    TransportKind,
    Usage,
    servers_away,
)
from .registry import GRAMMAR, LLMSpec, open_llm, parse_llm, servers_of
from .scripted import ScriptedLLM

__all__ = [
    "GRAMMAR",
    "LLM",
    "SESSIONS_A_CALL",
    "Budget",
    "BudgetedLLM",
    "Capabilities",
    "Completion",
    "CompletionRequest",
    "Journal",
    "JournalMode",
    "JournalTotals",
    "JournaledLLM",
    "JsonSchema",
    "LLMOptions",
    "LLMSpec",
    "Line",
    "Message",
    "ModelEntry",
    "Purse",
    "ScriptedLLM",
    "TokenCounter",
    "TransportError",
    "TransportKind",
    "Usage",
    "cache_dir",
    "find_model",
    "get_model",
    "list_models",
    "open_llm",
    "parse_llm",
    "servers_away",
    "servers_of",
    "sessions_in_flight",
    "usual_concurrency",
]

"""The --llm grammar, and the one door of the package."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from types import ModuleType

import pytest

import focusgroup.agents.llm as package
from focusgroup.agents.llm import (
    LLMOptions,
    LLMSpec,
    ScriptedLLM,
    open_llm,
    parse_llm,
    registry,
    servers_of,
)
from focusgroup.agents.llm.server.patience import PatientLLM
from focusgroup.simulator.errors import UserError

EXPORTS = [
    "Budget",
    "BudgetedLLM",
    "Capabilities",
    "Completion",
    "CompletionRequest",
    "GRAMMAR",
    "Journal",
    "JournalMode",
    "JournalTotals",
    "JournaledLLM",
    "JsonSchema",
    "LLM",
    "LLMOptions",
    "LLMSpec",
    "Line",
    "Message",
    "ModelEntry",
    "Purse",
    "SESSIONS_A_CALL",
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


def test_the_door_of_the_package():
    assert sorted(package.__all__) == sorted(EXPORTS)
    assert all(hasattr(package, name) for name in EXPORTS)


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("none", None),
        ("embedded", LLMSpec("embedded")),
        ("embedded:/models/m.gguf", LLMSpec("embedded", "/models/m.gguf")),
        ("embedded:hf:org/repo/m.gguf", LLMSpec("embedded", "hf:org/repo/m.gguf")),
        ("openai:a/b@http://localhost:8000/v1", LLMSpec("openai", "a/b@http://localhost:8000/v1")),
    ],
)
def test_the_grammar(text, spec):
    assert parse_llm(text) == spec
    if spec is not None:
        assert str(spec) == text


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("openia:m@http://x/v1", "Did you mean 'openai'"),
        ("embeded", "Did you mean 'embedded'"),
        ("nome", "Did you mean 'none'"),
        ("none:x", "no backend 'none'"),
        ("", "Known: embedded, none, openai"),
    ],
)
def test_an_unknown_backend_is_an_error_with_a_hint_and_the_grammar(text, hint):
    with pytest.raises(UserError) as caught:
        parse_llm(text)
    assert hint in str(caught.value)
    assert "openai:MODEL@URL" in str(caught.value)


def test_open_gives_the_backend_its_target_and_options(monkeypatch):
    monkeypatch.setenv("OTHER_KEY", "k")
    model = open_llm(
        LLMSpec("openai", "a/b@http://localhost:9/v1"), LLMOptions(key_variable="OTHER_KEY")
    )
    assert isinstance(model, PatientLLM)
    assert (model.fingerprint, model.url) == ("a/b", "http://localhost:9/v1")


def test_open_refuses_what_parse_would():
    with pytest.raises(UserError, match="no backend 'vlm'"):
        open_llm(LLMSpec("vlm"))


def test_an_installed_package_can_bring_a_backend(monkeypatch):
    module = ModuleType("my_backend")
    module.open_mine = lambda target, options: ScriptedLLM(lambda request: target)
    monkeypatch.setitem(sys.modules, "my_backend", module)
    entries = [
        EntryPoint("mine", "my_backend:open_mine", registry.GROUP),
        EntryPoint("broken", "my_backend:nothing", registry.GROUP),
    ]
    monkeypatch.setattr(registry, "entry_points", lambda group: entries)
    spec = parse_llm("mine:x")
    assert isinstance(open_llm(spec), ScriptedLLM)
    with pytest.raises(UserError, match="backend 'broken' cannot be loaded from my_backend"):
        open_llm(LLMSpec("broken"))


def test_servers_behind_one_name_are_told_apart() -> None:
    spec = parse_llm("openai:m@http://one:1/v1,http://two:2/v1")
    assert spec is not None
    assert [str(one) for one in servers_of(spec)] == [
        "openai:m@http://one:1/v1",
        "openai:m@http://two:2/v1",
    ]
    alone = LLMSpec("embedded")
    assert servers_of(alone) == (alone,)

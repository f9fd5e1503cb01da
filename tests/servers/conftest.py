"""The suite of real engines runs where `make test-vllm` has provisioned them, else is skipped."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

from focusgroup.agents.llm import (
    LLM,
    Completion,
    CompletionRequest,
    LLMOptions,
    open_llm,
    parse_llm,
)

ASKED_FOR = "FOCUSGROUP_ENGINES"
NAMES = ["vllm_http", "vllm", "llama_http", "embedded", "transformers"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Only the target runs these: they start servers for minutes."""
    if os.environ.get(ASKED_FOR):
        return
    skip = pytest.mark.skip(reason="real engines are not tested: run make test-vllm")
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(skip)


@dataclass(frozen=True)
class Engine:
    """An engine that answers, and the loop it lives in."""

    name: str
    spec: str
    model: LLM
    runner: asyncio.Runner

    def ask(self, *requests: CompletionRequest) -> list[Completion]:
        """The answers to requests sent at once."""

        async def together() -> list[Completion]:
            return await asyncio.gather(*(self.model.complete(one) for one in requests))

        return self.runner.run(together())


@pytest.fixture(scope="session")
def engines() -> ModuleType:
    """tests/servers/engines.py, loaded by its path: tests are no package."""
    path = Path(__file__).with_name("engines.py")
    spec = importlib.util.spec_from_file_location("focusgroup_test_engines", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module", params=NAMES)
def engine(request: pytest.FixtureRequest, engines: ModuleType) -> Iterator[Engine]:
    """One engine after the other, each started once for all tests."""
    wanted = os.environ[ASKED_FOR]
    if wanted not in ("1", "all") and request.param not in wanted.split(","):
        pytest.skip(f"{ASKED_FOR}={wanted} leaves out {request.param}")
    os.environ.update(engines.surroundings())
    with engines.ENGINES[request.param]() as spec, asyncio.Runner() as runner:
        parsed = parse_llm(spec)
        assert parsed is not None
        model = open_llm(parsed, LLMOptions(context=4096, timeout=600))
        runner.run(model.capabilities())
        try:
            yield Engine(request.param, spec, model, runner)
        finally:
            runner.run(model.aclose())

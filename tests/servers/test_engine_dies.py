"""An engine that dies under a run stops it, to be resumed; its users are not failures."""

from __future__ import annotations

import asyncio
import os

import pytest

from focusgroup.agents.llm import CompletionRequest, Message, open_llm, parse_llm
from focusgroup.simulator import RunStopped

pytestmark = pytest.mark.filterwarnings("default")

HELLO = CompletionRequest((Message("user", "Count to a thousand."),), max_tokens=1500)


def test_a_killed_engine_stops_the_run(engines):
    psutil = pytest.importorskip("psutil")
    os.environ.update(engines.surroundings())
    spec = parse_llm(f"vllm:{engines.MODEL}?max_model_len=2048&enforce_eager=true")
    assert spec is not None

    async def main() -> BaseException | None:
        model = open_llm(spec)
        await model.capabilities()
        under_way = asyncio.create_task(model.complete(HELLO))
        await asyncio.sleep(2)
        for child in psutil.Process().children(recursive=True):
            if "EngineCore" in " ".join([child.name(), *child.cmdline()]):
                child.kill()
        (said,) = await asyncio.gather(under_way, return_exceptions=True)
        await model.aclose()
        return said if isinstance(said, BaseException) else None

    said = asyncio.run(main())
    assert isinstance(said, RunStopped), repr(said)
    assert "resume" in str(said)

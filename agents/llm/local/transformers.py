"""Hugging Face `transformers` in process: any causal language model, on processor or card."""

from __future__ import annotations

import asyncio
import importlib.util
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from focusgroup.agents.llm.alternatives import likeliest_first
from focusgroup.agents.llm.options import LLMOptions
from focusgroup.agents.llm.protocol import (
    Capabilities,
    Completion,
    CompletionRequest,
    Message,
    TransportError,
    Usage,
)
from focusgroup.agents.llm.target import Target, parse_target
from focusgroup.simulator.errors import RunStopped, UserError

from .beginning import common_beginning
from .checkpoint import find_checkpoint, with_options
from .hf_tokenizer import HFTokenizer, load_tokenizer
from .spins import short_spins

if TYPE_CHECKING:
    from .constraint import Constrainer
    from .decoding import Decoder, Row

_LIBRARIES = ("torch", "transformers", "llguidance")
_OPTIONS = ("attn_implementation", "batch", "device", "dtype", "revision", "thinking")
# Options that change what the model answers are part of its name.
_CHANGE_ANSWERS = ("dtype", "thinking")
_CLOSED = "the transformers model is closed"


@dataclass(frozen=True, slots=True)
class _Asked:
    request: CompletionRequest
    answer: Future[Completion]


class TransformersLLM:
    """A Hugging Face model answered in batches by one thread of this process.

    Whatever waits when a batch is done makes the next one, those first that share the persona of
    the longest waiting. Answers may differ in the last bits with the batch, so a run is
    repeatable through its journal. The model is loaded at the first question.

    Args:
        target: model and options: `device` (cuda if there is one, else cpu), `dtype` (the
            checkpoint's), `batch` (requests answered at once: 64 on a card, 8 on a processor),
            `attn_implementation`, `revision`, `thinking` (of the chat template).
        threads: cores to use; None for all.

    Raises:
        UserError: a library is missing, no such model, or an unknown option.
    """

    def __init__(
        self,
        target: Target,
        *,
        threads: int | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        name = f"--llm {target.backend}:{target.model}"
        for library in _LIBRARIES:
            if importlib.util.find_spec(library) is None:
                raise UserError(f"{name} needs {library}: pip install 'focusgroup[transformers]'")
        target.check(_OPTIONS)
        batch = target.options.get("batch")
        if batch is not None and (not isinstance(batch, int) or batch < 1):
            raise UserError(f"{name}: batch is {batch!r}; it takes a whole number from 1")
        revision = target.options.get("revision")
        checkpoint = find_checkpoint(target.model, None if revision is None else str(revision))
        self._folder = checkpoint.folder
        self._fingerprint = with_options(
            checkpoint.fingerprint,
            {name: target.options[name] for name in _CHANGE_ANSWERS if name in target.options},
        )
        self._target, self._threads, self._clock = target, threads, clock
        self._batch: int | None = batch
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="transformers")
        self._lock = threading.Lock()
        self._waiting: list[_Asked] = []
        self._closed = False
        self._loaded: tuple[Decoder, Constrainer, int] | None = None

    @property
    def fingerprint(self) -> str:
        return self._fingerprint

    async def complete(self, request: CompletionRequest) -> Completion:
        """Waits for a batch, then for its answer.

        Raises:
            TransportError: the request exceeds the model's context, or the model failed.
            UserError: the model cannot be loaded, or the schema cannot be enforced.
            RunStopped: the memory does not hold the batch.
        """
        asked = _Asked(request, Future())
        with self._lock:
            if self._closed:
                raise TransportError(_CLOSED)
            self._waiting.append(asked)
            # One round for each request is enough for all; those that find nothing do nothing.
            self._pool.submit(self._round)
        return await asyncio.wrap_future(asked.answer)

    async def capabilities(self) -> Capabilities:
        """Loads the model; it does both. Raises UserError if it cannot be loaded."""
        await asyncio.get_running_loop().run_in_executor(self._pool, self._model)
        return Capabilities(json_schema=True, logprobs=True)

    async def aclose(self) -> None:
        """Waits for the batch under way, drops those not begun, and frees the model."""
        with self._lock:
            self._closed = True
            dropped, self._waiting = self._waiting, []
        for asked in dropped:
            asked.answer.set_exception(TransportError(_CLOSED))
        await asyncio.to_thread(self._pool.shutdown, wait=True, cancel_futures=True)
        self._loaded = None

    def prompt_tokens(self, messages: Sequence[Message]) -> int:
        return self._tokenizer.prompt_tokens(messages)

    def text_tokens(self, text: str) -> int:
        return self._tokenizer.text_tokens(text)

    @property
    def _tokenizer(self) -> HFTokenizer:
        thinking = self._target.options.get("thinking")
        return load_tokenizer(self._folder, None if thinking is None else bool(thinking))

    def _round(self) -> None:
        """One batch, in the thread of the model."""
        with self._lock:
            if not self._waiting:
                return
        try:
            decoder, constrainer, context = self._model()
        except UserError as error:
            self._fail(self._take(None), error)
            return
        batch: list[tuple[_Asked, Row]] = []
        for asked in self._take(self._batch):
            try:
                batch.append((asked, self._row(asked.request, constrainer, context)))
            except (UserError, TransportError) as error:
                asked.answer.set_exception(error)
        if not batch:
            return
        started = self._clock()
        try:
            decoder.run([row for _, row in batch])
        except Exception as error:  # noqa: BLE001 (whatever a model raises is told to who asked)
            self._fail([asked for asked, _ in batch], _failure(error, len(batch)))
            return
        for asked, row in batch:
            asked.answer.set_result(self._completion(row, self._clock() - started))

    def _take(self, most: int | None) -> list[_Asked]:
        """The next batch: the longest waiting, and before others those of the same persona."""
        with self._lock:
            alive = [one for one in self._waiting if not one.answer.cancelled()]
            if alive:
                persona = alive[0].request.messages[:1]
                alive.sort(key=lambda one: one.request.messages[:1] != persona)
            taken = alive[:most]
            chosen = set(map(id, taken))
            self._waiting = [one for one in self._waiting if id(one) not in chosen]
        return [one for one in taken if one.answer.set_running_or_notify_cancel()]

    def _fail(self, batch: Sequence[_Asked], error: Exception) -> None:
        for asked in batch:
            asked.answer.set_exception(error)

    def _row(self, request: CompletionRequest, constrainer: Constrainer, context: int) -> Row:
        from .decoding import Row

        prompt = self._tokenizer.prompt(request.messages)
        if len(prompt) + request.max_tokens > context:
            raise TransportError(
                f"the prompt ({len(prompt)} tokens) and its answer (up to {request.max_tokens}) "
                f"exceed the model's context of {context} tokens"
            )
        matcher = None if request.schema is None else constrainer.matcher(request.schema)
        return Row(request, prompt, self._shareable(request.messages, prompt), matcher)

    def _shareable(self, messages: tuple[Message, ...], prompt: list[int]) -> int:
        """How far the prompt follows from the first message, the rules and the persona."""
        if len(messages) < 2:
            return 0
        return len(common_beginning([prompt, *_openings(self._tokenizer, messages[0])]))

    def _completion(self, row: Row, latency: float) -> Completion:
        tokenizer = self._tokenizer
        text: str = tokenizer.raw.decode(row.tokens, skip_special_tokens=True)
        return Completion(
            text=text,
            finish_reason=row.finish_reason,
            usage=Usage(len(row.prompt), row.generated, row.cached),
            logprobs=likeliest_first(
                (tokenizer.token_text(token), value) for token, value in row.alternatives
            ),
            latency=latency,
        )

    def _model(self) -> tuple[Decoder, Constrainer, int]:
        if self._loaded is None:
            model = _load(self._target, str(self._folder), self._threads)
            from .constraint import Constrainer
            from .decoding import Decoder

            ends = _ends(model, self._tokenizer)
            if self._batch is None:
                self._batch = 8 if model.device.type == "cpu" else 64
            context = getattr(model.config.get_text_config(), "max_position_embeddings", None)
            self._loaded = (
                Decoder(model, ends),
                Constrainer(self._tokenizer.raw, ends),
                context or 2**31,
            )
        return self._loaded


def open_transformers(target: str, options: LLMOptions) -> TransformersLLM:
    """`transformers:MODEL?option=value&...`: a model of the hub, or a folder."""
    return TransformersLLM(parse_target("transformers", target), threads=options.threads)


@lru_cache(maxsize=256)
def _openings(tokenizer: HFTokenizer, first: Message) -> tuple[list[int], list[int]]:
    """Two prompts that begin with this message and differ in what comes after."""
    return (
        tokenizer.prompt((first, Message("user", "a"))),
        tokenizer.prompt((first, Message("user", "1"))),
    )


def _load(target: Target, folder: str, threads: int | None) -> Any:
    with short_spins():
        import torch
        from transformers import AutoModelForCausalLM
        from transformers.utils import logging

    if threads is not None:
        torch.set_num_threads(threads)
    device = str(target.options.get("device") or ("cuda" if torch.cuda.is_available() else "cpu"))
    extra = {
        name: target.options[name] for name in ("attn_implementation",) if name in target.options
    }
    logging.disable_progress_bar()
    try:
        model = AutoModelForCausalLM.from_pretrained(
            folder, dtype=target.options.get("dtype", "auto"), use_safetensors=True, **extra
        )
        return model.to(device).eval()
    except Exception as error:  # any library beneath may say why
        said = " ".join(str(error).split())[:300]
        raise UserError(
            f"--llm {target.backend}:{target.model}: transformers cannot load it ({said}); check "
            "the options, and that the model fits in memory"
        ) from error


def _ends(model: Any, tokenizer: HFTokenizer) -> list[int]:
    """Tokens that end an answer: the checkpoint's and the tokenizer's."""
    said = getattr(model.generation_config, "eos_token_id", None)
    ends = said if isinstance(said, list) else [said]
    return sorted({one for one in (*ends, tokenizer.raw.eos_token_id) if one is not None})


def _failure(error: Exception, rows: int) -> Exception:
    import torch

    said = " ".join(str(error).split())[:300]
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        stopped = RunStopped(
            f"the memory does not hold a batch of {rows} ({said}); resume with a smaller one: "
            "transformers:MODEL?batch=N"
        )
        stopped.__cause__ = error
        return stopped
    failed = TransportError(f"the model failed: {said}")
    failed.__cause__ = error
    return failed

"""A batch of prompts decoded with a `transformers` model, each row by its own rules.

`generate()` has one limit, one temperature and one seed a batch, and keeps finished rows to the
end. Here each row has its own, leaves when it is done, and the beginning that all prompts share
is computed once, and kept for the next batch.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from transformers import DynamicCache

from focusgroup.agents.llm.protocol import CompletionRequest

from .beginning import common_beginning
from .constraint import Matcher

# A shorter beginning costs less to compute than to copy.
_WORTH_SHARING = 16


@dataclass(slots=True)
class Row:
    """One answer in the making.

    Attributes:
        shareable: how many tokens of the prompt other prompts may begin with too.
        matcher: where the answer stands in its schema, or None for free text.
        tokens: the answer so far, without the token that ended it.
        cached: prompt tokens that another row or batch has computed.
        alternatives: (token, natural log-probability) of the likeliest first tokens.
        finish_reason: "" until it is done.
    """

    request: CompletionRequest
    prompt: list[int]
    shareable: int = 0
    matcher: Matcher | None = None
    tokens: list[int] = field(default_factory=list)
    generated: int = 0
    cached: int = 0
    alternatives: list[tuple[int, float]] = field(default_factory=list)
    finish_reason: str = ""
    noise: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        self.noise = np.random.default_rng(self.request.seed & 0xFFFFFFFFFFFFFFFF)


class Decoder:
    """Decodes batches one after the other; not safe from several threads.

    Args:
        model: a causal language model of `transformers`, in evaluation mode.
        ends: tokens that end an answer.
    """

    def __init__(self, model: Any, ends: Sequence[int]) -> None:
        self._model = model
        self._ends = frozenset(ends)
        self._kept: tuple[list[int], Any] = ([], None)

    def run(self, rows: Sequence[Row]) -> None:
        """Fill in every row's answer."""
        with torch.inference_mode():
            self._run(rows)

    def _run(self, rows: Sequence[Row]) -> None:
        live = list(rows)
        cache, shared = self._shared(live)
        width = max(len(row.prompt) for row in live) - shared
        ids, mask = (
            np.zeros((len(live), width), np.int64),
            np.ones((len(live), shared + width), np.int64),
        )
        for n, row in enumerate(live):
            rest = row.prompt[shared:]
            ids[n, width - len(rest) :] = rest
            mask[n, shared : shared + width - len(rest)] = 0
        attention = self._tensor(mask)
        positions = self._tensor(np.maximum(mask.cumsum(1) - 1, 0)[:, shared:])
        logits = self._forward(self._tensor(ids), attention, positions, cache)
        while True:
            chosen = self._choose(live, logits)
            going = [n for n, row in enumerate(live) if not row.finish_reason]
            if not going:
                return
            if len(going) < len(live):
                keep = self._tensor(np.array(going))
                cache.batch_select_indices(keep)
                attention, positions = attention[keep], positions[keep]
                live = [live[n] for n in going]
            attention = torch.cat([attention, attention.new_ones(len(live), 1)], dim=1)
            positions = positions[:, -1:] + 1
            step = self._tensor(np.array([[chosen[n]] for n in going], dtype=np.int64))
            logits = self._forward(step, attention, positions, cache)

    def _shared(self, rows: Sequence[Row]) -> tuple[Any, int]:
        """A cache that holds the beginning all prompts share, for each row, and its length."""
        begun = [row.prompt[: min(row.shareable, len(row.prompt) - 1)] for row in rows]
        common = common_beginning(begun)
        if len(common) < _WORTH_SHARING:
            return DynamicCache(config=self._model.config), 0
        kept, cache = self._kept
        if common != kept:
            cache = DynamicCache(config=self._model.config)
            ones = np.ones((1, len(common)), np.int64)
            self._forward(
                self._tensor(np.array([common], dtype=np.int64)),
                self._tensor(ones),
                self._tensor(ones.cumsum(1) - 1),
                cache,
            )
            self._kept = (common, cache)
        for n, row in enumerate(rows):
            row.cached = 0 if n == 0 and common != kept else len(common)
        cache = copy.deepcopy(cache)
        cache.batch_repeat_interleave(len(rows))
        return cache, len(common)

    def _choose(self, rows: Sequence[Row], logits: Any) -> list[int]:
        """The next token of each row, noted there."""
        for n, row in enumerate(rows):
            if row.matcher is not None:
                logits[n].masked_fill_(self._forbidden(row.matcher, logits.shape[1]), -torch.inf)
            if row.request.top_logprobs and not row.generated:
                row.alternatives = _likeliest(logits[n], row.request.top_logprobs)
        chosen: list[int] = logits.argmax(dim=1).tolist()
        for n, row in enumerate(rows):
            if row.request.temperature > 0:
                chosen[n] = _sampled(logits[n] / row.request.temperature, row.noise.random())
            self._note(row, chosen[n])
        return chosen

    def _note(self, row: Row, token: int) -> None:
        row.generated += 1
        if token in self._ends:
            row.finish_reason = "stop"
            return
        row.tokens.append(token)
        if row.matcher is not None:
            row.matcher.consume_token(token)
            if row.matcher.is_stopped():
                row.finish_reason = "stop"
                return
        if row.generated >= row.request.max_tokens:
            row.finish_reason = "length"

    def _forbidden(self, matcher: Matcher, vocabulary: int) -> Any:
        bits = np.frombuffer(matcher.compute_bitmask(), np.uint8)
        allowed = np.unpackbits(bits, bitorder="little")[:vocabulary]
        forbidden = np.ones(vocabulary, bool)
        forbidden[: len(allowed)] = allowed == 0
        return self._tensor(forbidden)

    def _forward(self, ids: Any, attention: Any, positions: Any, cache: Any) -> Any:
        """Logits of the last position, (rows, vocabulary), in single precision."""
        out = self._model(
            input_ids=ids,
            attention_mask=attention,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        return out.logits[:, -1].float()

    def _tensor(self, array: Any) -> Any:
        return torch.from_numpy(array).to(self._model.device)


def _likeliest(logits: Any, most: int) -> list[tuple[int, float]]:
    values, tokens = torch.log_softmax(logits, dim=0).topk(min(most, len(logits)))
    return list(zip(tokens.tolist(), values.tolist(), strict=True))


def _sampled(logits: Any, uniform: float) -> int:
    """The token at which the cumulated probability passes `uniform`, a number in [0, 1)."""
    cumulated = torch.softmax(logits.double(), dim=0).cumsum(0)
    at = torch.searchsorted(cumulated, cumulated[-1:] * uniform, right=True)
    return min(int(at), len(cumulated) - 1)

"""Batches with a shared beginning, padding and rows that leave give what each row gives alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from focusgroup.agents.llm import CompletionRequest, Message
from focusgroup.agents.llm.local.hf_tokenizer import load_tokenizer

pytestmark = pytest.mark.filterwarnings("default")

RULES = Message("system", "You choose films. " + "You like long films. " * 8)
QUESTIONS = ("Which?", "Say in one sentence which film of these you would see, and why.", "Hi")
ASKED = CompletionRequest((RULES, Message("user", "?")), max_tokens=12, top_logprobs=5)


@pytest.fixture(scope="module")
def loaded(engines):
    """SmolLM2 in single precision, where batches differ only far behind the point."""
    torch = pytest.importorskip("torch")
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(str(engines.MODEL), dtype=torch.float32).eval()
    return model, load_tokenizer(engines.MODEL)


def rows(tokenizer, shareable: int, limits=(12, 12, 12)):
    from focusgroup.agents.llm.local.decoding import Row

    made = []
    for question, limit in zip(QUESTIONS, limits, strict=True):
        request = replace(ASKED, messages=(RULES, Message("user", question)), max_tokens=limit)
        made.append(Row(request, tokenizer.prompt(request.messages), shareable))
    return made


def decoder(model):
    from focusgroup.agents.llm.local.decoding import Decoder

    return Decoder(model, [2])


def test_a_batch_answers_as_generate_does_alone(loaded):
    import torch

    model, tokenizer = loaded
    batch = rows(tokenizer, shareable=40)
    ours = decoder(model)
    ours.run(batch)
    for row in batch:
        ids = torch.tensor([row.prompt])
        alone = model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=12,
            do_sample=False,
            eos_token_id=2,
            pad_token_id=2,
        )
        said = [token for token in alone[0, ids.shape[1] :].tolist() if token != 2]
        assert row.tokens == said
        with torch.inference_mode():
            logprobs = torch.log_softmax(model(ids).logits[0, -1].float(), 0)
        for token, value in row.alternatives:
            assert value == pytest.approx(float(logprobs[token]), abs=1e-3)
    assert [row.cached for row in batch] == [0, 40, 40]


def test_what_is_kept_of_one_batch_serves_the_next(loaded):
    model, tokenizer = loaded
    ours, fresh = decoder(model), rows(tokenizer, shareable=0)
    first, second = rows(tokenizer, shareable=40), rows(tokenizer, shareable=40)
    decoder(model).run(fresh)
    ours.run(first)
    ours.run(second)
    assert [row.cached for row in second] == [40, 40, 40]
    assert [row.cached for row in fresh] == [0, 0, 0]
    assert [row.tokens for row in first] == [row.tokens for row in fresh]
    assert [row.tokens for row in second] == [row.tokens for row in fresh]


def test_a_row_that_is_done_leaves_and_the_others_go_on(loaded):
    model, tokenizer = loaded
    whole, cut = rows(tokenizer, 40), rows(tokenizer, 40, limits=(1, 12, 4))
    decoder(model).run(whole)
    decoder(model).run(cut)
    for n, limit in enumerate((1, 12, 4)):
        assert cut[n].tokens == whole[n].tokens[:limit]
    assert cut[0].finish_reason == "length"
    assert cut[0].generated == 1


def test_sampling_follows_the_distribution_and_the_seed(loaded):
    import torch

    from focusgroup.agents.llm.local.decoding import _sampled

    logits = torch.tensor([0.0, -torch.inf, 1.0, 2.0])
    shares = torch.softmax(logits, 0).tolist()
    taken = [_sampled(logits, (n + 0.5) / 1000) for n in range(1000)]
    assert [taken.count(n) / 1000 for n in range(4)] == pytest.approx(shares, abs=2e-3)
    assert _sampled(logits, 0.0) == 0
    assert _sampled(logits, 1 - 1e-16) == 3
    model, tokenizer = loaded
    warm = [replace(row.request, temperature=1.5) for row in rows(tokenizer, 0)]

    def sampled(seed: int) -> list[list[int]]:
        from focusgroup.agents.llm.local.decoding import Row

        batch = [Row(replace(one, seed=seed), tokenizer.prompt(one.messages)) for one in warm]
        decoder(model).run(batch)
        return [row.tokens for row in batch]

    assert sampled(1) == sampled(1)
    assert sampled(1) != sampled(2)

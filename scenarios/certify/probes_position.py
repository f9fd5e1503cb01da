"""What hangs on the numbers of a prompt: the same pages with their items numbered anew."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from focusgroup.agents.behaviour import Judgement
from focusgroup.simulator import Opinion
from focusgroup.simulator.fidelity import Answers, Exam, Row, not_known
from focusgroup.simulator.fidelity.probes_page import PageChoice, position_flip
from focusgroup.simulator.fidelity.sitting import sentence
from focusgroup.simulator.noise import derive_seed

from .panel import Opinions, Panel

SHORTEST = 4


async def position_row(
    panel: Panel,
    exam: Exam,
    opinions: Opinions,
    judgement: Judgement,
    *,
    pages: int = 60,
    seed: int,
) -> Row:
    """`position_flip` of the model's own choices: its picks, or the item with the highest log-odds.

    The note says how many pages change their likeliest item once the opinion is pooled.

    Args:
        opinions: what the panel said to the exam. judgement: of the behaviour model, (n,).
        pages: how many are asked again at most, the first of each user before second ones; those
            of fewer than four items are not, as another order may be the same order.

    Raises:
        UserError, RunStopped: as `Panel.opinions`.
    """
    chosen = np.zeros(len(opinions.pages), dtype=bool)
    long = [n for n, page in enumerate(opinions.pages) if len(page.item_ids) >= SHORTEST]
    chosen[sorted(long, key=lambda n: (opinions.pages[n].number, n))[:pages]] = True
    if not chosen.any():
        return not_known("position_flip", f"no page of {SHORTEST} items or more to permute")
    asked = [page for page, kept in zip(opinions.pages, chosen, strict=True) if kept]
    said = [one for one, kept in zip(opinions.said, chosen, strict=True) if kept]
    order = derive_seed(seed, "permuted", opinions.order)
    again = await panel.opinions(asked, order=order)
    picks = not panel.style.needs_logprobs
    once = replace(opinions, pages=tuple(asked), said=tuple(said))
    questions = np.repeat(chosen, [len(page.item_ids) for page in opinions.pages])
    pooled = _pooled_flips(
        panel, exam.only(questions), once, replace(once, said=tuple(again)),
        _only(judgement, questions),
    )  # fmt: skip
    numbered = any(one is not None and one.numbers for one in said)
    return position_flip(
        [page.user_id for page in asked],
        [_choice(one, picks=picks) for one in said],
        [_choice(one, picks=picks) for one in again],
        seed=seed,
        note=sentence(
            "" if numbered else "items are asked one at a time: there are no numbers", pooled
        ),
    )


def _choice(opinion: Opinion | None, *, picks: bool) -> PageChoice | None:
    if opinion is None:
        return None
    said = opinion.said
    best = (
        [slot for slot, score in enumerate(said) if score > 0] if picks else [int(np.argmax(said))]
    )
    return PageChoice(frozenset(best), opinion.numbers)


def _only(judgement: Judgement, kept: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Judgement:
    return Judgement(
        judgement.log_odds[kept],
        None if judgement.stars is None else judgement.stars[kept],
        None if judgement.star_chances is None else judgement.star_chances[kept],
    )


def _pooled_flips(
    panel: Panel, exam: Exam, once: Opinions, again: Opinions, judgement: Judgement
) -> str:
    """In words, on how many pages the likeliest item changes for the pooled users."""
    first = _tops(exam, panel.pooled(exam, once, judgement))
    second = _tops(exam, panel.pooled(exam, again, judgement))
    both = [(a, b) for a, b in zip(first, second, strict=True) if a is not None and b is not None]
    if not both:
        return ""
    flips = 100 * sum(a != b for a, b in both) / len(both)
    return f"pooled, the likeliest item changes on {flips:.1f} % of {len(both)} pages"


def _tops(exam: Exam, answers: Answers) -> list[int | None]:
    turns = np.flatnonzero(np.diff(exam.pages) | np.diff(exam.users)) + 1
    return [
        None if answers.failed[rows].any() else int(np.argmax(answers.log_odds[rows]))
        for rows in np.split(np.arange(len(exam)), turns)
    ]

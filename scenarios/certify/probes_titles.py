"""What hangs on the names of items: the same exam with codes in place of titles."""

from __future__ import annotations

from dataclasses import replace

from focusgroup.agents import BehaviourModel, fit_behaviour
from focusgroup.agents.behaviour import Judgement
from focusgroup.simulator import Catalog
from focusgroup.simulator.fidelity import Answers, Exam, Row
from focusgroup.simulator.fidelity.probes import title_anonymised
from focusgroup.simulator.noise import derive_seed

from .ground import Ground
from .panel import Opinions, Panel


async def title_row(
    ground: Ground,
    exam: Exam,
    *,
    panel: Panel | None = None,
    opinions: Opinions | None = None,
    own_word: bool = False,
    seed: int,
) -> Row:
    """`title_anonymised` of the users certified, the behaviour model alone beside them.

    The behaviour model is fitted anew on items without names; the panel is asked again, its
    personas too naming codes, its opinions at the weight they have with titles.

    Args:
        panel, opinions: and what it said to the exam; None for the behaviour model alone.
        own_word: whether the panel is certified at its own word, not pooled.

    Raises:
        UserError, RunStopped: as `Panel.opinions`.
    """
    nameless = anonymised(ground.catalog)
    titled = _judged(ground, ground.behaviour, exam)
    coded = _judged(ground, anonymised_behaviour(ground, nameless), exam)
    statistics = _answers(titled), _answers(coded)
    if panel is None or opinions is None:
        return title_anonymised(exam, *statistics, seed=seed)
    people = panel.people(exam.user_ids, catalog=nameless)
    again = await panel.answer(exam, personas=people, catalog=nameless, order=opinions.order)
    alone = panel.alone(exam, opinions), panel.alone(exam, again)
    pooled = panel.pooled(exam, opinions, titled), panel.pooled(exam, again, coded)
    others = {"behaviour model alone": statistics}
    if own_word:
        return title_anonymised(exam, *alone, others=others, seed=seed)
    return title_anonymised(exam, *pooled, others=others | {"model alone": alone}, seed=seed)


def anonymised(catalog: Catalog) -> Catalog:
    """The catalogue with a code for each title, and without descriptions; attributes stay.

    Codes are counted in an order of no meaning, so that they do not tell old items from new.
    """
    scattered = sorted(catalog, key=lambda item_id: (derive_seed("code", item_id), item_id))
    codes = {item_id: f"item {number:04d}" for number, item_id in enumerate(scattered, 1)}
    return Catalog(
        {
            item_id: replace(item, title=codes[item_id], description="")
            for item_id, item in catalog.items()
        }
    )


def anonymised_behaviour(ground: Ground, nameless: Catalog) -> BehaviourModel:
    """The behaviour model of the ground, had items no names."""
    return fit_behaviour(
        ground.history, ground.held_out, ground.calibration, nameless, ground.dataset.domain,
        seed=derive_seed(ground.seed, "behaviour"),
    )  # fmt: skip


def _judged(ground: Ground, model: BehaviourModel, exam: Exam) -> Judgement:
    histories = [ground.histories(user_id) for user_id in exam.user_ids]
    return model.judge(histories, exam.users, exam.items)


def _answers(judgement: Judgement) -> Answers:
    return Answers.of(judgement.log_odds, judgement.stars, judgement.star_chances)

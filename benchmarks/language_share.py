"""What a language model adds to statistics: by length of history, and for items nobody had.

Test users are asked about items whose truth is known. The weight of the model's opinion for a user
is learned on the other users of the slice (cross-fitted), so that no user is measured by a weight
that has seen the user, and no call is spent on learning alone. Statistics come from calibration
users. Everything the model says is kept in a journal: a run that was interrupted goes on where it
stopped, and a second one is free.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from machine import print_json
from numpy.typing import NDArray
from share_slices import Questions, cold, known_by, questions, user_folds
from tqdm import tqdm

from focusgroup.agents import (
    CalibrationPage,
    OpinionWeight,
    Prompter,
    Score,
    load_language,
    personas_from_log,
    pool,
    weigh_opinions,
)
from focusgroup.agents.behaviour import Judgement
from focusgroup.agents.llm import JournaledLLM, open_llm, parse_llm
from focusgroup.agents.llm.journal.journal import Journal
from focusgroup.agents.llm.options import LLMOptions
from focusgroup.scenarios.certify.ground import Ground, lay_ground
from focusgroup.scenarios.certify.panel import Panel
from focusgroup.scenarios.datasets import load_dataset
from focusgroup.simulator import Opinion, Slate
from focusgroup.simulator.fidelity import Answers, Exam
from focusgroup.simulator.fidelity.choices import within_user_auc
from focusgroup.simulator.fidelity.contrast import simulated_differences
from focusgroup.simulator.fidelity.over_users import mean_over_users
from focusgroup.simulator.fidelity.share import ablation
from focusgroup.simulator.metrics.results import Estimate
from focusgroup.simulator.noise import derive_seed

FOLDS = 5
COLD = "cold"
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Told:
    """What is known of a slice: the statistics' judgement and the model's opinions, page by page.

    Attributes:
        answered: questions of pages with an opinion, (n,).
    """

    ground: Ground
    asked: Questions
    judged: Judgement
    opinions: tuple[Opinion | None, ...]
    answered: NDArray[np.bool_]
    calls: int
    seconds: float


async def tell(ground: Ground, asked: Questions, llm: JournaledLLM, at_once: int) -> Told:
    """Ask the model, user by user, so that the persona stays in its prefix cache."""
    exam, dataset = asked.exam, ground.dataset
    histories = [ground.histories(user_id) for user_id in exam.user_ids]
    judged = ground.behaviour.judge(histories, exam.users, exam.items)
    # A column in which all test users are alike says nothing about any of them.
    people = dataset.users[dataset.users["user_id"].isin(set(ground.test))]
    told_apart = [c for c in people.columns if c == "user_id" or people[c].nunique() > 1]
    ids = [exam.user_ids[user] for user in np.unique(exam.users)]
    panel = Panel(
        ground=ground,
        llm=llm,
        prompter=Prompter(load_language("en"), dataset.domain),
        style=Score(less_prior=True),
        personas=personas_from_log(
            ground.history, ground.catalog, user_ids=ids, users=people[told_apart]
        ),
        weight=OpinionWeight(0.0, 0.0, 0.0, 0),
        at_once=at_once,
    )
    calls, begun = llm.calls, time.perf_counter()
    with tqdm(desc="pages", disable=None) as bar:

        def done(count: int, of: int) -> None:
            bar.total = of
            bar.update(count - bar.n)

        said = await replace(panel, told=done).answer(exam)
    sizes = [len(page.item_ids) for page in said.pages]
    return Told(
        ground, asked, judged, said.said,
        np.repeat(np.array([one is not None for one in said.said], dtype=bool), sizes),
        llm.calls - calls, time.perf_counter() - begun,
    )  # fmt: skip


def measure(told: Told, seed: int) -> dict[str, object]:
    """Decision AUC and persona contrast of statistics, model and both."""
    exam, judged = told.asked.exam, told.judged
    flat = _blind(told)
    with_prior = tuple(None if o is None else replace(o, scores=o.said) for o in told.opinions)
    both, weight = _pooled(told, judged, told.opinions, seed)
    both_prior, weight_prior = _pooled(told, judged, with_prior, seed)
    model, _ = _pooled(told, flat, with_prior, seed)
    model_less, _ = _pooled(told, flat, told.opinions, seed)
    statistics = Answers.of(judged.log_odds, judged.stars, judged.star_chances)
    raw = _raw(told, with_prior)
    asked = told.asked.sampled
    (row,) = ablation(
        exam.only(asked), statistics.only(asked), raw.only(asked), both.only(asked), seed
    )
    (kept,) = ablation(
        exam.only(asked), statistics.only(asked), raw.only(asked), both_prior.only(asked), seed
    )
    less = _raw(told, told.opinions).only(asked & told.answered)
    less_auc = within_user_auc(exam.only(asked & told.answered), less.log_odds)
    pages = len(told.opinions)
    return {
        "users": row.users,
        "questions": row.questions,
        "calls": told.calls,
        "seconds": round(told.seconds, 1),
        "pages": pages,
        "pages_failed": sum(one is None for one in told.opinions),
        "weight": asdict(weight),
        "weight_prior_kept": asdict(weight_prior),
        "decision_auc": {
            "statistics": asdict(row.statistics),
            "model": asdict(row.model),
            "model_less_prior": asdict(mean_over_users(less_auc, seed)),
            "both": asdict(row.both),
            "both_prior_kept": asdict(kept.both),
            "gain": {"over": row.better, **asdict(row.gain), "holds": row.holds},
            "gain_prior_kept": {"over": kept.better, **asdict(kept.gain), "holds": kept.holds},
        },
        "persona_contrast": _contrast(
            told,
            {
                "statistics": statistics,
                "model": model,
                "model_less_prior": model_less,
                "both": both,
            },
            seed,
        ),
    }


def _pages(told: Told, judged: Judgement, *, beside: bool) -> list[CalibrationPage]:
    """The pages of the exam as pages to learn from, statistics counted or not."""
    exam = told.asked.exam
    found = []
    for rows in _page_rows(exam):
        chances = judged.star_chances
        stars = [None if np.isnan(one) else float(one) for one in exam.stars[rows]]
        expected = judged.log_odds[rows] + exam.offset[rows]
        found.append(
            CalibrationPage(
                exam.user_ids[exam.users[rows[0]]],
                Slate(tuple(exam.item_ids[item] for item in exam.items[rows])),
                tuple(bool(one) for one in exam.taken[rows]),
                expected=tuple(float(one) for one in expected) if beside else (),
                stars=() if chances is None else tuple(stars),
                star_chances=() if chances is None else tuple(map(tuple, chances[rows])),
            )
        )
    return found


def _pooled(
    told: Told, judged: Judgement, opinions: tuple[Opinion | None, ...], seed: int
) -> tuple[Answers, OpinionWeight]:
    """Answers by weights of the other folds' users, and the weight of all."""
    exam = told.asked.exam
    pages = _pages(told, judged, beside=judged is told.judged)
    folds = user_folds(exam.user_ids, FOLDS, seed)
    rows = _page_rows(exam)
    of_page = [int(folds[exam.users[part[0]]]) for part in rows]
    log_odds, stars = judged.log_odds.copy(), np.full(len(exam), np.nan)
    known = [n for n, said in enumerate(opinions) if said is not None]

    def learned(chosen: list[int]) -> OpinionWeight:
        said = [one for n in chosen if (one := opinions[n]) is not None]
        return weigh_opinions([pages[n] for n in chosen], said, seed=seed)

    for fold in range(FOLDS):
        weight = learned([n for n in known if of_page[n] != fold])
        for n in (n for n in known if of_page[n] == fold):
            if (said := opinions[n]) is not None:
                together = pool(_part(judged, rows[n]), [said], weight)
                log_odds[rows[n]] = together.log_odds
                if together.stars is not None:
                    stars[rows[n]] = together.stars
    missing = np.where(told.answered, 0.0, np.nan)
    return Answers(log_odds + missing, stars, None, ~told.answered), learned(known)


def _blind(told: Told) -> Judgement:
    """One who knows how often things are taken and rated, and nothing of users and items."""
    exam, judged = told.asked.exam, told.judged
    share = float(exam.taken.mean())
    level = np.log(share / (1 - share)) - exam.offset
    if judged.star_chances is None:
        return Judgement(level, None, None)
    chances = np.tile(judged.star_chances.mean(axis=0), (len(exam), 1))
    return Judgement(level, chances @ np.arange(1.0, chances.shape[1] + 1), chances)


def _raw(told: Told, opinions: tuple[Opinion | None, ...]) -> Answers:
    """The model's log-odds within the page, as they are."""
    sizes = [len(rows) for rows in _page_rows(told.asked.exam)]
    parts = [
        np.full(size, np.nan) if said is None else np.array(said.scores)
        for said, size in zip(opinions, sizes, strict=True)
    ]
    values = np.concatenate([*parts, np.zeros(0)])
    return Answers(values, np.full(len(values), np.nan), None, ~told.answered, calibrated=False)


def _contrast(told: Told, answers: dict[str, Answers], seed: int) -> dict[str, object]:
    """What the better suited item of a pair gets more: really, and by each of those who answer.

    The real difference is that of all test users, for which no model need be asked.
    """
    exam, pairs = told.asked.exam, told.asked.pairs
    sums, counts = told.asked.real
    asked = counts > 0
    real = mean_over_users(np.asarray(sums[asked] / counts[asked]), seed)
    found: dict[str, object] = {
        "unit": "stars" if not np.isnan(exam.stars).any() else "probability",
        "real, all test users": asdict(real),
    }
    for name, said in answers.items():
        differences = simulated_differences(exam, said, pairs)
        known = ~np.isnan(differences)
        total = np.bincount(pairs.users[known], differences[known], len(exam.user_ids))
        many = np.bincount(pairs.users[known], minlength=len(exam.user_ids))
        per_user = np.asarray(total[many > 0] / many[many > 0])
        shown: Estimate = mean_over_users(per_user, seed)
        found[name] = {**asdict(shown), "share_of_real": shown.mean / real.mean}
    return found


def _page_rows(exam: Exam) -> list[NDArray[np.int64]]:
    if not len(exam):
        return []
    return np.split(np.arange(len(exam)), np.flatnonzero(np.diff(exam.pages)) + 1)


def _part(judged: Judgement, rows: NDArray[np.int64]) -> Judgement:
    return Judgement(
        judged.log_odds[rows],
        None if judged.stars is None else judged.stars[rows],
        None if judged.star_chances is None else judged.star_chances[rows],
    )


async def run(options: argparse.Namespace) -> dict[str, object]:
    """All slices, one after the other."""
    dataset = load_dataset(options.data, options.data_dir)
    ground = lay_ground(dataset, seed=options.seed)
    spec = parse_llm(options.llm)
    if spec is None:
        raise SystemExit("--llm none has no share to measure")
    lengths = [int(one) for one in options.history if one != COLD]
    results: dict[str, object] = {"data": options.data, "llm": options.llm}
    with Journal(options.journal) as journal:
        model = open_llm(spec, LLMOptions(slots=options.slots, threads=options.threads))
        llm = JournaledLLM(model, journal)
        results["model"] = llm.fingerprint
        try:
            ask = {"users": options.users, "each": options.questions, "pairs": options.pairs}
            seed = derive_seed(options.seed, "share")
            slices: dict[str, tuple[Ground, Questions]] = {}
            if lengths:
                asked = questions(
                    ground, ground, **ask, least_history=max(lengths), among=None, seed=seed
                )
                for events in lengths:
                    slices[f"history {events}"] = (known_by(ground, events, seed), asked)
            if COLD in options.history:
                new = cold(ground, seed)
                asked = questions(
                    new.ground, new.informed, **ask, least_history=10, among=new.items, seed=seed
                )
                slices["items nobody rated"] = (new.ground, asked)
            for name, (known, asked) in slices.items():
                told = await tell(known, asked, llm, options.at_once)
                results[name] = measure(told, seed)
        finally:
            await llm.aclose()
    return results


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--llm", required=True, help="as of focusgroup: embedded:PATH, openai:...")
    parser.add_argument("--data", default="movies")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--users", type=int, default=30)
    parser.add_argument("--history", nargs="+", default=["0", "3", "10", "30", COLD])
    parser.add_argument("--questions", type=int, default=10, help="sampled questions a user")
    parser.add_argument("--pairs", type=int, default=5, help="pairs of items a user")
    parser.add_argument("--journal", type=Path, default=Path("language-share.sqlite"))
    parser.add_argument("--slots", type=int, default=1, help="of an embedded model")
    parser.add_argument("--threads", type=int, help="of an embedded model; default: all cores")
    parser.add_argument("--at-once", type=int, default=1, help="pages; many for a server")
    parser.add_argument("--seed", type=int, default=0)
    print_json(asyncio.run(run(parser.parse_args())))


if __name__ == "__main__":
    main()

"""Making a certificate: exams and contests are held, every row is filled or says why not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from focusgroup.agents.styles import Style
from focusgroup.scenarios.certificates import configuration, configuration_fingerprint
from focusgroup.simulator import UserError
from focusgroup.simulator.fidelity import Exam, Row, not_known
from focusgroup.simulator.fidelity.certificate import (
    BEHAVIOUR,
    Certificate,
    Fingerprints,
    Questions,
    ShareLine,
    Users,
    check_complete,
    decides,
)
from focusgroup.simulator.fidelity.share import ShareRow, ablation
from focusgroup.simulator.noise import derive_seed

from .candidate import Candidate
from .contest_rows import Held, contest_rows, hold
from .ground import Ground
from .injection import injection_row
from .injection_payloads import PAYLOADS
from .panel import Panel
from .paper import PAGE, set_exam
from .probes_leakage import leakage_row
from .probes_position import position_row
from .probes_titles import title_row
from .sitting_rows import Sat, sit, sitting_rows

SILENT = "no language model takes part"
USUAL = 100  # users a ranking is stated for
PAGES = 1  # of the exam that each user of a panel is asked
RARE = 0.1
MAX_SILENT = 0.2  # of the questions, above which a certificate decides nothing
Booleans = NDArray[np.bool_]
Decision = Literal["pooled", "own_word"]
Step = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to certify, besides data and model.

    Attributes:
        users: number of users the ranking of recommenders is stated for; with a language model
            also how many are asked. None: 100, or all test users where there are fewer.
        style, language, decision: of the language model; they say nothing without one.
    """

    users: int | None = None
    seed: int = 0
    style: Style = "score"
    language: str = "en"
    decision: Decision = "pooled"
    command: str = ""


async def certify(
    ground: Ground,
    wanted: Wanted,
    versions: Mapping[str, str],
    *,
    panel: Panel | None = None,
    swap: Panel | None = None,
    step: Step = lambda _: None,
) -> Certificate:
    """The certificate of the behaviour model, or of a panel that speaks through a language model.

    Args:
        swap: the same users speaking through another language model.
        step: told what is done next, in a few words.

    Raises:
        UserError: fewer test users than the ranking is to be stated for; else as `Panel.opinions`.
    """
    sample = _sample(ground, wanted)
    people = _people(ground, wanted.seed, None if panel is None else sample)
    own_word = wanted.decision == "own_word"
    candidate = Candidate(ground, panel, own_word)
    seed = derive_seed(wanted.seed, "certificate")
    exam = set_exam(ground, people, seed=seed)
    if panel is not None:
        exam = exam.only(_first_pages(exam))
    step(f"exam: {len(exam)} questions to {len(people)} users")
    sat = await sit(candidate, exam, seed=seed)
    step("rows of the exam, personas exchanged")
    rows = await sitting_rows(candidate, sat, seed=seed)
    step("contest of recommenders")
    held = await hold(candidate, people, seed=seed)
    step("rows of the contest: rankings, copies, doses, duels, training value")
    other = None if swap is None else Candidate(ground, swap, own_word)
    rows += await contest_rows(candidate, held, sample=sample, seed=seed, swap=other)
    step("probes: titles, positions, leakage, injection")
    rows += await _probes(candidate, sat, seed)
    model = BEHAVIOUR if panel is None else panel.llm.fingerprint
    speaks = panel is not None
    configured = configuration(
        k=PAGE,
        calibration=ground.calibration_share,
        held_out=ground.held_out_share,
        style=wanted.style if speaks else "",
        language=wanted.language if speaks else "",
        decision=wanted.decision if speaks else "",
    )
    dataset = ground.dataset
    questions = _questions(sat, held)
    certificate = Certificate(
        dataset=dataset.domain.name,
        source=dataset.source,
        licence=dataset.licence,
        model="behaviour model alone, no language model" if panel is None else model,
        users=Users(len(people), len(ground.calibration), len(ground.training_ids)),
        final=ground.final,
        sample=sample,
        fingerprints=Fingerprints(
            dataset.fingerprint, model, configuration_fingerprint(configured)
        ),
        configuration=configured,
        versions=versions,
        seed=wanted.seed,
        rows=tuple(_unless_silent(rows, questions)),
        questions=questions,
        notes=_notes(ground),
        share=_share(candidate, sat, seed),
        command=wanted.command,
    )
    check_complete(certificate)
    return certificate


def _sample(ground: Ground, wanted: Wanted) -> int:
    there = len(ground.test)
    if wanted.users is not None and wanted.users > there:
        raise UserError(
            f"--users {wanted.users}: dataset {ground.dataset.domain.name!r} has {there} test"
            f" users{' kept for --final' if ground.final else ''}; ask for at most as many, or"
            " bring a larger log"
        )
    return min(USUAL, there) if wanted.users is None else wanted.users


def _people(ground: Ground, seed: int, asked: int | None) -> tuple[str, ...]:
    """The test users who are examined: all, or as many as a language model is to be asked for."""
    if asked is None:
        return ground.test
    ranked = sorted(ground.test, key=lambda user: derive_seed(seed, "examined", user))
    return tuple(sorted(ranked[:asked]))


async def _probes(candidate: Candidate, sat: Sat, seed: int) -> list[Row]:
    ground, panel, exam = candidate.ground, candidate.panel, sat.exam
    titles = await title_row(
        ground, exam, panel=panel, opinions=sat.opinions, own_word=candidate.own_word, seed=seed
    )
    # A panel reads every attack once: a page more for each of its first users.
    attacks = await (
        injection_row(ground, exam, seed=seed)
        if panel is None
        else injection_row(
            ground, exam, panel=panel, own_word=candidate.own_word, users=len(PAYLOADS),
            per_user=1, seed=seed,
        )
    )  # fmt: skip
    if panel is None or sat.opinions is None:
        silent = [not_known(name, SILENT) for name in ("leakage", "position_flip")]
        return [titles, attacks, *silent]
    judged = ground.behaviour.judge(
        [ground.histories(user_id) for user_id in exam.user_ids], exam.users, exam.items
    )
    return [
        titles,
        attacks,
        await leakage_row(panel, users=len(exam.user_ids), seed=seed),
        await position_row(panel, exam, sat.opinions, judged, seed=seed),
    ]


def _unless_silent(rows: Iterable[Row], questions: Questions) -> list[Row]:
    """Who leaves too many questions unanswered has chosen what to be judged by: nothing decides."""
    silent = questions.failed / max(1, questions.shown)
    if silent <= MAX_SILENT:
        return list(rows)
    reason = f"{silent:.0%} of the questions were left unanswered; at most {MAX_SILENT:.0%} may be"
    return [not_known(row.name, reason) if decides(row.name) else row for row in rows]


def _questions(sat: Sat, held: Held) -> Questions:
    """Accounts of exam and contest; probes keep their own, in their rows."""
    failed = int(sat.answers.failed.sum() + held.answers.failed.sum())
    shown = len(sat.answers) + len(held.answers)
    return Questions(shown, shown - failed, failed)


def _share(candidate: Candidate, sat: Sat, seed: int) -> tuple[ShareLine, ...]:
    """What the language model adds: its weight; statistics, model and both beside each other."""
    panel = candidate.panel
    if panel is None or sat.opinions is None:
        return ()
    weight = panel.weight
    nothing = weight.low <= 0 <= weight.high
    lines = [
        ShareLine(
            "weight of the opinion", "calibration users", weight.value, weight.low, weight.high,
            weight.pages, "adds nothing that can be told from 0" if nothing else "adds something",
        )
    ]  # fmt: skip
    statistics = candidate.statistics(sat.exam)
    alone = panel.alone(sat.exam, sat.opinions)
    both = Candidate(candidate.ground, panel).heard(sat.exam, sat.opinions)
    for row in ablation(sat.exam, statistics, alone, both, seed, _slices(candidate.ground, sat)):
        lines += _lines(row)
    return tuple(lines)


def _lines(row: ShareRow) -> list[ShareLine]:
    found = [
        ShareLine(f"decision AUC, {name}", row.slice, e.mean, e.low, e.high, e.n, "")
        for name, e in (
            ("statistics alone", row.statistics), ("model alone", row.model), ("both", row.both)
        )
    ]  # fmt: skip
    gain, holds = row.gain, row.holds
    verdict = "cannot be told" if holds is None else "holds" if holds else "misses: below -.02"
    name = f"both - better alone ({row.better})"
    return [*found, ShareLine(name, row.slice, gain.mean, gain.low, gain.high, gain.n, verdict)]


def _slices(ground: Ground, sat: Sat) -> dict[str, Booleans]:
    """Questions by how much is known of the user, and of items that hardly anybody had."""
    exam = sat.exam
    known = np.array([len(ground.histories(user_id)) for user_id in exam.user_ids])[exam.users]
    median = float(np.median(known))
    rare = exam.popularity <= np.quantile(exam.popularity, RARE)
    found = {
        f"history up to {median:g}": known <= median,
        f"history above {median:g}": known > median,
        "least popular tenth of items": rare,
    }
    return {name: mask for name, mask in found.items() if mask.any() and not mask.all()}


def _notes(ground: Ground) -> tuple[str, ...]:
    """What a reader must know of how it was measured."""
    domain = ground.dataset.domain
    negatives = (
        "Negatives are items the user was shown and did not like."
        if domain.has_negatives
        else "Negatives are items the user never had, as popular as those taken."
    )
    time = (
        "Histories end before what is to be predicted."
        if domain.has_time
        else "The log has no time: histories are drawn at random."
    )
    unknown = (
        f"Assumed, not learned, because this log does not tell: {', '.join(domain.unknown)}."
        if domain.unknown
        else ""
    )
    return tuple(note for note in (negatives, time, unknown, *ground.dataset.notes) if note)


def _first_pages(exam: Exam) -> Booleans:
    """Which questions stand on the first pages of a user."""
    first = np.searchsorted(exam.users, exam.users)
    return np.asarray(exam.pages - exam.pages[first] < PAGES)

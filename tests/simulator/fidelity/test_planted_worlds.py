"""Every row catches the defect it is for, and stays quiet on users who have none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from focusgroup.simulator.fidelity import (
    Answers,
    Exam,
    c2st_auc,
    choice_skill,
    contrast_pairs,
    decision_auc,
    ece,
    engagement_ratio,
    persona_contrast,
    persona_swap,
    popularity_slope,
    rating_js,
    rating_ks,
    rating_rmse,
    rating_wasserstein,
    stars_variance_ratio,
    variance_ratio,
)

SEED = 7
BIASES = "user + item bias"


@pytest.fixture(scope="module", params=[True, False], ids=["all that was shown", "what was taken"])
def world(request, planted):
    """Jokes everybody rated, and a shop that knows only what was bought and how it was liked."""
    shown = request.param
    return planted(shown=shown, users=160, items=80 if shown else 200)


def certify(world, answers: Answers, swapped: Answers | None = None):
    """All rows of one simulator, by name."""
    exam, biases = world.exam, world.biases()
    rows = [
        decision_auc(exam, answers, {BIASES: biases}, seed=SEED),
        choice_skill(exam, answers, world.popularity(), seed=SEED),
        ece(exam, answers, seed=SEED),
        engagement_ratio(exam, answers, seed=SEED),
        rating_rmse(exam, answers, biases, seed=SEED),
        rating_ks(exam, answers, seed=SEED),
        rating_wasserstein(exam, answers, seed=SEED),
        rating_js(exam, answers, seed=SEED),
        variance_ratio(exam, answers, seed=SEED),
        popularity_slope(exam, answers, seed=SEED),
        persona_contrast(exam, answers, contrast_pairs(exam, world.signal), seed=SEED),
        c2st_auc(exam, answers, seed=SEED, attributes=world.attributes, signal=world.signal),
    ]
    if swapped is not None:
        rows.append(persona_swap(exam, answers, swapped, seed=SEED))
    return {row.name: row for row in rows}


def failing(rows) -> set[str]:
    assert all(row.passes is not None for row in rows.values()), rows
    return {name for name, row in rows.items() if row.passes is False}


def test_the_oracle_passes_every_row(world):
    rows = certify(world, world.oracle(), world.answers(world.exchanged(world.truth)))
    assert failing(rows) == set()
    for name in ("ece", "rating_ks", "rating_wasserstein", "rating_js", "c2st_auc"):
        assert rows[name].verdict == "strong", rows[name]
    assert rows["persona_contrast"].low < 1.05
    assert rows["persona_contrast"].high > 0.95
    control = rows["c2st_auc"].baselines["real against real"]
    assert control.low < 0.5 < control.high


def test_recorded_users_pass_all_but_the_alarm_for_leaked_stars(world):
    rows = certify(world, world.recorded())
    assert failing(rows) == {"rating_rmse"}
    assert "has seen the answers" in rows["rating_rmse"].note
    exact = {"decision_auc": 1, "engagement_ratio": 1, "variance_ratio": 1, "persona_contrast": 1}
    for name, value in exact.items():
        assert rows[name].value == pytest.approx(value)


def test_stars_that_are_nearly_the_answers_are_flagged_as_leaked(world):
    oracle, noise = world.oracle(), world.rng("leak").normal(0, 0.4, len(world.exam))
    leaked = replace(oracle, stars=np.clip(np.nan_to_num(world.exam.stars, nan=3) + noise, 1, 5))
    row = rating_rmse(world.exam, leaked, world.biases(), seed=SEED)
    assert row.value < 0.56
    assert row.verdict == "fail"
    assert row.value < row.baselines[BIASES].mean


DEFECTS = {
    # name: (rows that must fail, rows that must not)
    "always yes": (
        {"decision_auc", "choice_skill", "ece", "engagement_ratio", "variance_ratio",
         "popularity_slope", "persona_swap", "c2st_auc"},
        {"rating_ks", "rating_wasserstein", "rating_js"},
    ),
    "positivity": (
        {"ece", "engagement_ratio", "rating_ks", "rating_wasserstein", "rating_js", "c2st_auc"},
        {"decision_auc", "persona_swap", "persona_contrast"},
    ),
    "homogenised": (
        {"decision_auc", "variance_ratio", "persona_swap", "persona_contrast", "c2st_auc"},
        set(),
    ),
    "somebody else's persona": (
        {"decision_auc", "choice_skill", "ece", "rating_rmse", "persona_swap", "persona_contrast",
         "c2st_auc"},
        set(),
    ),
    "position bias": (
        {"c2st_auc"},
        {"rating_ks", "rating_wasserstein", "rating_js", "rating_rmse"},
    ),
    "threes and fours only": (
        {"rating_ks", "rating_wasserstein", "rating_js", "c2st_auc"},
        {"decision_auc", "choice_skill", "ece", "engagement_ratio", "popularity_slope"},
    ),
    "favourite items": (
        {"ece", "c2st_auc"},
        {"persona_swap", "persona_contrast", "engagement_ratio"},
    ),
    "stars that do not follow taste": (
        {"rating_rmse", "c2st_auc"},
        {"decision_auc", "choice_skill", "ece", "rating_ks", "rating_wasserstein", "rating_js"},
    ),
    "knows nothing (r = 0)": (
        {"decision_auc", "choice_skill", "ece", "rating_rmse", "persona_swap", "persona_contrast",
         "c2st_auc"},
        set(),
    ),
}  # fmt: skip


def planted_defect(world, name: str) -> tuple[Answers, Answers]:
    """Answers with the own persona, and with another user's."""
    other = world.exchanged(world.truth)
    match name:
        case "always yes":
            yes = Answers.of(
                np.full(len(world.exam), np.inf), world.oracle().stars, world.oracle().star_chances
            )
            return yes, yes
        case "positivity":
            kind = {"shift": 1.2, "stars_shift": 0.8}
            return world.answers(world.truth, **kind), world.answers(other, **kind)
        case "homogenised":
            return world.answers(world.average()), world.answers(world.average())
        case "somebody else's persona":
            return world.answers(other), world.answers(world.exchanged(other))
        case "position bias":
            return world.by_place(0.2), world.answers(other)
        case "threes and fours only":
            return world.fours(), world.answers(other)
        case "favourite items":
            liked = world.with_favourites(0.7)
            return world.answers(liked), world.answers(world.exchanged(liked))
        case "stars that do not follow taste":
            return _shuffled_stars(world), world.answers(other)
        case "knows nothing (r = 0)":
            blind = world.correlated(0.0)
            return world.answers(blind), world.answers(world.exchanged(blind))
    raise AssertionError(name)


def _shuffled_stars(world) -> Answers:
    """The oracle, whose stars are those of other items the same user rated."""
    exam, oracle = world.exam, world.oracle()
    rated = np.flatnonzero(~np.isnan(exam.stars))
    order = rated[np.lexsort((world.rng("stars").random(len(rated)), exam.users[rated]))]
    stars, chances = oracle.stars.copy(), oracle.star_chances.copy()
    stars[rated], chances[rated] = oracle.stars[order], oracle.star_chances[order]
    return replace(oracle, stars=stars, star_chances=chances)


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_planted_defect_fails_the_rows_it_is_for_and_no_others(world, defect):
    must_fail, must_not = DEFECTS[defect]
    rows = certify(world, *planted_defect(world, defect))
    failed = failing(rows)
    assert must_fail <= failed, {name: rows[name] for name in must_fail - failed}
    assert not must_not & failed, {name: rows[name] for name in must_not & failed}


def test_users_all_alike_differ_by_chance_alone(world):
    row = variance_ratio(world.exam, world.answers(world.average()), seed=SEED)
    assert row.verdict == "fail"
    assert row.value < row.baselines["users all alike"].mean + 0.04


def test_stars_of_users_all_alike_vary_too_little_between_users(world):
    alike = stars_variance_ratio(world.exam, world.answers(world.average()), seed=SEED)
    oracle = stars_variance_ratio(world.exam, world.oracle(), seed=SEED)
    assert alike.verdict == "fail"
    assert alike.value < 0.7
    assert oracle.verdict == "pass"


@pytest.mark.parametrize("weight", [0.0, 2.0])
def test_following_popularity_too_much_or_too_little_shows_in_its_slope(planted, weight):
    world = planted(shown=False)
    row = popularity_slope(
        world.exam, world.answers(world.truth, popularity_weight=weight), seed=SEED
    )
    assert row.verdict == "fail"
    assert row.value < 0.3 if weight == 0 else row.value > 1.5


LADDER = (0.0, 0.1, 0.2, 0.3, 0.5)


@pytest.mark.parametrize("shared", [False, True], ids=["own errors", "shared errors"])
@pytest.mark.parametrize("shown", [True, False])
def test_rows_about_persons_rise_with_what_is_known_of_them(planted, shown, shared):
    world = planted(shown=shown, items=100 if shown else 240)
    auc, swap, contrast = [], [], []
    pairs = contrast_pairs(world.exam, world.signal)
    for r in LADDER:
        opinions = world.correlated(r, shared=shared)
        answers, other = world.answers(opinions), world.answers(world.exchanged(opinions))
        auc.append(decision_auc(world.exam, answers, seed=SEED).value)
        swap.append(persona_swap(world.exam, answers, other, seed=SEED))
        contrast.append(persona_contrast(world.exam, answers, pairs, seed=SEED))
    assert auc == sorted(auc)
    assert [row.value for row in swap] == sorted(row.value for row in swap)
    assert [row.passes for row in swap][:2] == [False, False]
    assert [row.passes for row in swap][3:] == [True, True]
    # The contrast is a share of the real difference, so it is r itself.
    assert [row.value for row in contrast] == pytest.approx(LADDER, abs=0.06)
    assert contrast[0].verdict == "fail"
    assert all(row.passes for row in contrast[1:])


def test_errors_that_all_users_share_are_told_from_real_histories_more_easily(world):
    known = {"attributes": world.attributes, "signal": world.signal}
    own, shared = (
        c2st_auc(world.exam, world.answers(world.correlated(0.5, shared=s)), seed=SEED, **known)
        for s in (False, True)
    )
    assert 0.65 < own.value < shared.value


def test_who_knows_little_and_knows_it_is_calibrated_and_still_no_good(planted):
    world = planted(shown=True, items=100)
    rows = certify(world, world.modest(0.3))
    assert {"decision_auc"} <= failing(rows)
    for name in ("choice_skill", "ece", "engagement_ratio", "rating_rmse", "rating_ks"):
        assert rows[name].passes, rows[name]
    assert certify(world, world.answers(world.correlated(0.3)))["ece"].verdict == "fail"


def test_real_against_real_is_a_coin_and_so_is_the_oracle(planted):
    aucs, controls = [], []
    for seed in range(5):
        world = planted(shown=bool(seed % 2), users=120, items=100, seed=20 + seed)
        row = c2st_auc(
            world.exam, world.oracle(), seed=seed, attributes=world.attributes, signal=world.signal
        )
        aucs.append(row.value)
        controls.append(row.baselines["real against real"].mean)
    assert np.mean(controls) == pytest.approx(0.5, abs=0.05)
    assert np.mean(aucs) < 0.56


def test_few_choices_tell_nobody_apart_and_say_so() -> None:
    rng = np.random.default_rng(2)
    n = 60 * 10
    nothing = np.full(n, np.nan)
    items = rng.integers(0, 200, n)
    exam = Exam(
        tuple(f"u{u}" for u in range(60)), tuple(f"i{i}" for i in range(200)),
        np.repeat(np.arange(60), 10), items, np.arange(n) // 10, rng.random(n) < 0.25, nothing,
        np.log(np.linspace(0.5, 0.01, 200))[items], nothing, np.zeros(n),
    )  # fmt: skip
    usual = Answers.of(np.full(n, np.log(1 / 3)))
    row = c2st_auc(exam, usual, {"random": usual}, seed=SEED)
    assert row.passes is None and "60 users with 10 questions each are too few" in row.reason
    # Whoever is told apart all the same is told apart.
    eager = Answers.of(np.full(n, 3.0))
    assert c2st_auc(exam, eager, {"random": usual}, seed=SEED).verdict == "fail"

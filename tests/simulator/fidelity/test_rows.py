"""What single rows say of small exams whose answer can be worked out by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from focusgroup.simulator.errors import UserError
from focusgroup.simulator.fidelity import (
    Answers,
    Exam,
    c2st_auc,
    choice_skill,
    contrast_of_differences,
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
    variance_ratio,
    within_user_auc,
)

NAN = math.nan


def exam_of(users, taken, *, stars=None, popularity=None, items=None, offset=0.0) -> Exam:
    n = len(users)
    items = np.arange(n) if items is None else np.array(items)
    return Exam(
        user_ids=tuple(f"u{row}" for row in range(max(users) + 1)),
        item_ids=tuple(f"i{item}" for item in range(int(items.max()) + 1)),
        users=np.array(users),
        items=items,
        pages=np.array(users),
        taken=np.array(taken, bool),
        stars=np.full(n, NAN) if stars is None else np.array(stars, float),
        popularity=np.zeros(n) if popularity is None else np.array(popularity, float),
        slots=np.full(n, NAN),
        offset=np.full(n, offset),
    )


def said(*log_odds, calibrated=True) -> Answers:
    return Answers.of(np.array(log_odds, float), calibrated=calibrated)


def of_stars(*stars) -> Answers:
    return Answers.of(np.zeros(len(stars)), np.array(stars, float))


@settings(max_examples=60)
@given(st.data())
def test_auc_is_the_share_of_pairs_in_the_right_order_ties_half(data):
    rows = data.draw(
        st.lists(
            st.tuples(
                st.integers(0, 3), st.booleans(), st.sampled_from([-np.inf, -1, 0, 0.5, np.inf])
            ),
            min_size=1,
            max_size=40,
        )
    )
    rows.sort(key=lambda row: row[0])
    users, taken, scores = (list(column) for column in zip(*rows, strict=True))
    exam = exam_of(users, taken)
    found = within_user_auc(exam, np.array(scores, float))
    assert len(found) == len(exam.user_ids)
    for row, auc in enumerate(found):
        yes = [s for u, t, s in rows if u == row and t]
        no = [s for u, t, s in rows if u == row and not t]
        pairs = [(a > b) + (a == b) / 2 for a in yes for b in no]
        assert auc == pytest.approx(np.mean(pairs)) if pairs else math.isnan(auc)


def test_auc_needs_only_the_order_and_compares_nobody_with_others():
    exam = exam_of([0, 0, 1, 1], [1, 0, 0, 1])
    row = decision_auc(exam, said(-5, -6, 8, 9, calibrated=False), seed=1)
    assert (row.value, row.n, row.verdict) == (1.0, 2, "strong")


def test_decision_auc_fails_when_a_baseline_is_clearly_better():
    users = np.repeat(np.arange(30), 6)
    exam = exam_of(users, np.tile([1, 1, 1, 0, 0, 0], 30))
    good = said(*np.tile([3, 2, 0.5, 1, 0, 0], 30))
    row = decision_auc(exam, good, {"best": said(*exam.taken)}, seed=1)
    assert row.value == pytest.approx(8 / 9)
    assert row.verdict == "fail"
    assert row.baselines["best"].mean == 1
    assert decision_auc(exam, good, {"coin": said(*np.zeros(180))}, seed=1).verdict == "strong"


def test_probabilities_rank_by_what_they_say_of_the_exam():
    # Rare items are asked about more often: at one usual rate nothing is told apart.
    exam = replace(exam_of([0] * 4, [1, 1, 0, 0]), offset=np.array([3.0, 2.0, 1.0, 0.0]))
    usual = -1.0 - exam.offset
    assert decision_auc(exam, Answers.of(usual), seed=1).value == 0.5
    assert decision_auc(exam, Answers.of(usual, calibrated=False), seed=1).value == 0
    assert decision_auc(exam, Answers.of(np.zeros(4)), seed=1).value == 1


def test_certainty_that_is_wrong_costs_much_but_not_everything():
    exam = exam_of([0, 0, 1, 1], [1, 0, 1, 0])
    even = Answers.of(np.zeros(4))
    row = choice_skill(exam, said(np.inf, np.inf, np.inf, np.inf), even, seed=1)
    assert row.value == pytest.approx(1 - np.log(1e6) / 2 / np.log(2), rel=1e-4)


def test_questions_without_an_answer_are_left_out_and_counted():
    exam = exam_of([0, 0, 0, 1, 1, 1], [1, 0, 0, 1, 0, 0])
    answers = replace(
        said(2, 1, NAN, 2, 1, NAN), failed=np.array([False, False, True, False, False, True])
    )
    beside = {"other": said(2, 1, 9, 2, 1, 9)}
    row = decision_auc(exam, answers, beside, seed=1)
    assert row.value == 1
    assert row.baselines["other"].mean == 1
    assert row.note == "2 of 6 questions left out: unanswered"
    nobody = replace(answers, failed=np.ones(6, bool))
    for figure in (decision_auc, ece, engagement_ratio, variance_ratio, popularity_slope, c2st_auc):
        assert figure(exam, nobody, seed=1).verdict == "n/a: nothing was answered"


def test_answers_that_do_not_fit_the_exam_are_refused():
    exam = exam_of([0, 0], [1, 0])
    with pytest.raises(UserError, match="3 answers to 2 questions"):
        decision_auc(exam, said(1, 2, 3), seed=1)
    with pytest.raises(UserError, match="answer 1: its log-odds are NaN"):
        ece(exam, said(1, NAN), seed=1)


def test_who_only_ranks_is_asked_for_no_probabilities():
    exam = exam_of([0, 0], [1, 0])
    ranks = said(2, 1, calibrated=False)
    for row in (
        ece(exam, ranks, seed=1),
        engagement_ratio(exam, ranks, seed=1),
        choice_skill(exam, ranks, said(0, 0), seed=1),
        variance_ratio(exam, ranks, seed=1),
        popularity_slope(exam, ranks, seed=1),
        c2st_auc(exam, ranks, seed=1),
    ):
        assert row.verdict == "n/a: its log-odds only rank items, they are no probabilities"
    honest = ece(exam, said(0, 0), {"ranks": ranks}, seed=1)
    assert "ranks" not in honest.baselines


def test_skill_is_none_for_popularity_itself_and_all_for_the_truth():
    exam = exam_of(np.repeat(np.arange(20), 4), np.tile([1, 0, 0, 0], 20))
    popularity = said(*np.full(80, -math.log(3)))
    itself = choice_skill(exam, popularity, popularity, seed=1)
    assert itself.value == pytest.approx(0)
    assert itself.verdict == "fail"
    sure = said(*np.where(exam.taken, np.inf, -np.inf))
    assert choice_skill(exam, sure, popularity, seed=1).value == pytest.approx(1, abs=1e-4)
    wrong = choice_skill(exam, said(*np.full(80, np.inf)), popularity, seed=1)
    assert math.isfinite(wrong.value)
    assert wrong.value < -10
    with pytest.raises(UserError, match="popularity reference"):
        choice_skill(exam, popularity, said(*np.zeros(80), calibrated=False), seed=1)


def test_always_yes_is_as_wrong_as_people_say_no():
    exam = exam_of(np.repeat(np.arange(20), 4), np.tile([1, 0, 0, 0], 20), offset=2.0)
    yes = said(*np.full(80, np.inf))
    assert ece(exam, yes, seed=1).value == pytest.approx(0.75)
    assert engagement_ratio(exam, yes, seed=1).value == pytest.approx(4)
    even = said(*np.full(80, -math.log(3) - 2.0))
    right = ece(exam, even, {"always yes": yes}, seed=1)
    assert right.value == pytest.approx(0, abs=1e-9)
    assert right.baselines["always yes"].mean == pytest.approx(0.75)
    assert engagement_ratio(exam, even, seed=1).value == pytest.approx(1)


def test_calibration_error_weighs_the_gaps_of_the_bins():
    # 15 bins of 100: chances rise; taken half of the time throughout.
    chances = np.repeat(np.linspace(0.1, 0.9, 15), 100)
    exam = exam_of(np.repeat(np.arange(15), 100), np.tile([1, 1, 0, 0], 375))
    row = ece(exam, said(*np.log(chances / (1 - chances))), seed=1)
    assert row.value == pytest.approx(np.abs(chances - 0.5).mean())
    assert row.low <= row.value <= row.high


def test_calibration_is_not_known_from_questions_that_the_truth_would_fail():
    chances = np.repeat(np.linspace(0.1, 0.9, 15), 4)
    exam = exam_of(np.repeat(np.arange(15), 4), np.tile([1, 1, 0, 0], 15))
    row = ece(exam, said(*np.log(chances / (1 - chances))), seed=1)
    assert row.passes is None and "60 questions are too few" in row.reason


def test_stars_between_levels_count_for_both_in_proportion():
    exam = exam_of([0, 0, 1, 1], [1, 1, 1, 1], stars=[3.5, 3.5, 3.5, 3.5])
    halves = Answers.of(np.zeros(4), np.full(4, 3.5), np.tile([0.0, 0.0, 0.5, 0.5, 0.0], (4, 1)))
    assert rating_ks(exam, halves, seed=1).value == pytest.approx(0)
    fours = of_stars(4, 4, 4, 4)
    assert rating_ks(exam, fours, seed=1).value == pytest.approx(0.5)
    assert rating_wasserstein(exam, fours, seed=1).value == pytest.approx(0.5)


def test_distances_of_distributions_that_share_nothing():
    exam = exam_of([0, 0, 1, 1], [1, 1, 1, 1], stars=[1, 1, 1, 1])
    fives = of_stars(5, 5, 5, 5)
    assert rating_ks(exam, fives, seed=1).value == pytest.approx(1)
    assert rating_wasserstein(exam, fives, seed=1).value == pytest.approx(4)
    assert rating_js(exam, fives, seed=1).value == pytest.approx(1)  # one bit


def test_error_of_stars_is_judged_beside_biases_on_rated_items_alone():
    stars = np.tile([1.0, 3.0, 5.0, NAN], 10)
    exam = exam_of(np.repeat(np.arange(10), 4), np.ones(40), stars=stars)
    bias = of_stars(*np.full(40, 3.0))
    better = of_stars(*np.tile([2.0, 3.0, 4.0, 1.0], 10))
    row = rating_rmse(exam, better, bias, seed=1)
    assert row.value == pytest.approx(math.sqrt(2 / 3))
    assert row.baselines["user + item bias"].mean == pytest.approx(math.sqrt(8 / 3))
    assert row.verdict == "pass"
    assert rating_rmse(exam, bias, better, seed=1).verdict == "fail"
    assert rating_rmse(exam, said(*np.zeros(40)), bias, seed=1).reason == "it gives no stars"


def test_a_log_without_ratings_knows_nothing_of_stars():
    exam = exam_of([0, 0], [1, 0])
    stars = of_stars(3, 3)
    rows = [figure(exam, stars, seed=1) for figure in (rating_ks, rating_wasserstein, rating_js)]
    for row in [*rows, rating_rmse(exam, stars, stars, seed=1)]:
        assert row.verdict == "n/a: the log has no ratings"


def test_popularity_that_real_people_do_not_follow_has_no_slope_to_compare():
    rng = np.random.default_rng(3)
    exam = exam_of(
        np.repeat(np.arange(40), 10), rng.random(400) < 0.5, popularity=rng.standard_normal(400)
    )
    row = popularity_slope(exam, said(*exam.popularity), seed=1)
    assert row.passes is None
    assert "cannot be told from 0" in row.reason
    flat = exam_of([0, 0], [1, 0])
    assert popularity_slope(flat, said(0, 0), seed=1).reason == "all items are equally popular"


def test_slope_is_that_of_the_whole_catalogue_though_the_exam_hides_it():
    rng = np.random.default_rng(5)
    users, items = 120, 150
    popularity = np.repeat(rng.normal(-3, 1, items)[None], users, axis=0)
    taken = rng.random((users, items)) < 1 / (1 + np.exp(-popularity))
    rate = np.clip(3 * np.exp(popularity), 0, 1)  # three not taken to one taken
    asked = taken | (rng.random((users, items)) < rate)
    rows, columns = np.nonzero(asked)
    exam = replace(
        exam_of(rows, taken[asked], popularity=popularity[asked], items=columns),
        offset=-np.log(rate[asked]),
    )
    low, high = (popularity[asked] < -3, popularity[asked] >= -3)
    assert abs(exam.taken[low].mean() - exam.taken[high].mean()) < 0.07  # hidden
    row = popularity_slope(exam, said(*exam.popularity), {"half": said(*exam.popularity / 2)},
                           seed=1)  # fmt: skip
    assert row.low < 1 < row.high
    assert row.verdict == "pass"
    assert row.baselines["half"].mean == pytest.approx(row.value / 2, abs=0.05)
    yes = popularity_slope(exam, said(*np.full(len(rows), np.inf)), seed=1)
    assert yes.value == pytest.approx(0)


def test_too_few_questions_a_user_cannot_show_how_users_differ():
    rng = np.random.default_rng(2)
    exam = exam_of(np.repeat(np.arange(200), 3), rng.random(600) < 0.3)
    row = variance_ratio(exam, said(*np.full(600, -0.8)), seed=1)
    assert row.passes is None
    assert row.reason.startswith("3 questions a user are too few")


def test_users_more_different_than_people_are_fail_as_those_more_alike():
    rates = np.repeat([0.3, 0.4, 0.5, 0.6, 0.7] * 8, 100)
    rng = np.random.default_rng(4)
    exam = exam_of(np.repeat(np.arange(40), 100), rng.random(4000) < rates)
    right = np.log(rates / (1 - rates))
    assert variance_ratio(exam, Answers.of(right), seed=1).verdict == "pass"
    assert variance_ratio(exam, Answers.of(3 * right), seed=1).verdict == "fail"
    assert variance_ratio(exam, Answers.of(0.3 * right), seed=1).verdict == "fail"


def test_swapped_personas_that_change_nothing_lose_nothing():
    exam = exam_of(np.repeat(np.arange(10), 4), np.tile([1, 0, 1, 0], 10))
    same = said(*np.tile([2, 1, 1.5, 0], 10))
    assert persona_swap(exam, same, same, seed=1).value == pytest.approx(0)
    other = replace(said(*np.tile([0, 1, 0, 1], 10)), failed=np.arange(40) < 4)
    row = persona_swap(exam, same, other, {"blind": (same, same)}, seed=1)
    assert row.value == 1
    assert row.baselines["blind"].mean == 0
    assert row.n == 9
    assert "4 of 40 questions left out" in row.note


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12))
def test_contrast_pairs_are_disjoint_neighbours_of_one_user(seed, most):
    rng = np.random.default_rng(seed)
    users = np.sort(rng.integers(0, 4, 50))
    exam = exam_of(users, rng.random(50) < 0.3, popularity=rng.integers(0, 9, 50))
    signal = rng.integers(0, 4, 50).astype(float)
    pairs = contrast_pairs(exam, signal, per_user=most)
    used = np.concatenate((pairs.suits, pairs.other))
    assert len(np.unique(used)) == len(used)
    assert (exam.users[pairs.suits] == pairs.users).all()
    assert (exam.users[pairs.other] == pairs.users).all()
    assert (signal[pairs.suits] > signal[pairs.other]).all()
    assert np.bincount(pairs.users, minlength=1).max(initial=0) <= most
    for one, two in zip(pairs.suits, pairs.other, strict=True):
        low, high = sorted((exam.popularity[one], exam.popularity[two]))
        own = exam.popularity[exam.users == exam.users[one]]
        assert not ((own > low) & (own < high)).any()


def test_contrast_is_the_share_of_the_real_difference():
    rng = np.random.default_rng(1)
    users = np.repeat(np.arange(40), 5)
    real = rng.normal(1, 0.5, 200)
    row = contrast_of_differences(users, real, 0.6 * real, {"blind": np.zeros(200)}, seed=1)
    assert row.value == pytest.approx(0.6)
    assert row.verdict == "strong"
    assert row.baselines["blind"].mean == 0
    unknown = contrast_of_differences(users, rng.normal(0, 1, 200), real, seed=1)
    assert "cannot be told from 0" in unknown.reason


def test_where_everybody_had_everything_pairs_must_agree_in_how_well_items_are_liked(planted):
    # Popularity says nothing here, and the signal knows which items are liked by all.
    world = planted(shown=True, users=120, items=60)
    exam = replace(world.exam, popularity=np.zeros(len(world.exam)))
    liked = world.truth.item[exam.items]
    nobody = world.popularity()
    naive = contrast_pairs(exam, world.signal + 2 * liked)
    fair = contrast_pairs(exam, world.signal + 2 * liked, alike=liked)
    assert persona_contrast(exam, nobody, naive, seed=1).low > 0.3
    assert abs(persona_contrast(exam, nobody, fair, seed=1).value) < 0.1
    assert persona_contrast(exam, world.oracle(), fair, seed=1).value > 0.9


def test_too_few_users_teach_a_classifier_nothing(planted):
    world = planted(shown=True, users=30, items=20)
    row = c2st_auc(world.exam, world.oracle(), seed=1)
    assert row.verdict == "n/a: 30 users; a classifier needs at least 40"


def test_stars_given_without_looking_are_told_only_by_who_knows_the_taste(planted):
    world = planted(shown=False, users=160, items=160)
    oracle, exam = world.oracle(), world.exam
    # Each user's stars among the user's own ratings, in another order: all sums stay.
    rated = np.flatnonzero(~np.isnan(exam.stars))
    shuffled = rated[np.lexsort((world.rng("x").random(len(rated)), exam.users[rated]))]
    chances = oracle.star_chances.copy()
    chances[rated] = oracle.star_chances[shuffled]
    blind = replace(oracle, star_chances=chances)
    told = c2st_auc(exam, blind, seed=1, signal=world.signal).value
    assert told > c2st_auc(exam, oracle, seed=1, signal=world.signal).value + 0.1


def test_the_same_seed_gives_the_same_row(planted):
    world = planted(shown=False, users=60, items=80)
    rows = [c2st_auc(world.exam, world.oracle(), seed=seed) for seed in (1, 1, 2)]
    assert rows[0] == rows[1]
    assert rows[0].baselines != rows[2].baselines

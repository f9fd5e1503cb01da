"""The comparison finds what was planted, and says so when n is too small to say."""

from __future__ import annotations

import math

import numpy as np
import pytest

from focusgroup.simulator.errors import FailureCause
from focusgroup.simulator.metrics.summary import summarise
from focusgroup.simulator.metrics.tables import comparison_text, metrics_table, to_json
from focusgroup.simulator.types import (
    Catalog,
    Click,
    Failure,
    Item,
    NextPage,
    Response,
    Session,
    SessionEnd,
    SessionKey,
    Slate,
    SlotOdds,
    Turn,
)

CATALOG = Catalog({f"i{n}": Item(f"i{n}", f"Film {n}", ("drama",)) for n in range(50)})


def world(rates, users=120, *, stored=False, failing=None, pages=2, seed=3):
    """Arms with planted click rates; users differ, and differ alike in every arm."""
    rng = np.random.default_rng(seed)
    leaning = rng.normal(0, 0.2, users)
    items = tuple(CATALOG)[:10]
    sessions = []
    for arm, rate in rates.items():
        draws = np.random.default_rng((seed, round(rate * 1000)))
        for user in range(users):
            p = float(np.clip(rate * math.exp(leaning[user]), 0.01, 0.99))
            odds = (SlotOdds(p),) * 10 if stored else None
            turns = []
            for page in range(pages):
                clicks = [Click(i) for i in items if draws.random() < p]
                outcome = Response((*clicks, NextPage()), 0.5, odds)
                turns.append(Turn(page, Slate(items), outcome))
            end = SessionEnd.LIMIT
            if user < (failing or {}).get(arm, 0):
                turns[-1] = Turn(pages - 1, Slate(items), Failure(FailureCause.NOT_JSON, "?"))
                end = SessionEnd.FAILED
            key = SessionKey("crowd", arm, f"u{user:03d}", 0)
            sessions.append(Session(key, tuple(turns), end))
    return sessions


def compare(sessions, **options):
    return summarise(sessions, catalog=CATALOG, **{"primary": "click_rate", "seed": 1, **options})


def primary_pairs(results):
    return {p.arm: p for p in results.comparison.pairs if p.primary}


def test_a_planted_difference_is_found_and_named():
    results = compare(world({"als": 0.30, "popularity": 0.25, "random": 0.10}))
    verdict = results.comparison.verdicts["crowd"]
    assert verdict.startswith("als is ahead: click rate ")
    assert "above popularity" in verdict and "above random" in verdict
    assert results.comparison.baseline == "popularity"
    pair = primary_pairs(results)["als"]
    assert pair.difference.low <= 0.05 <= pair.difference.high
    assert pair.difference.low > 0 and pair.p_value <= pair.p_holm < 0.05
    assert pair.difference.n == 120 and pair.excluded == 0
    assert primary_pairs(results)["random"].difference.high < 0


def test_identical_arms_differ_by_exactly_nothing_and_n_is_too_small_to_say():
    results = compare(world({"als": 0.2, "bpr": 0.2}, users=30))
    [pair] = primary_pairs(results).values()
    assert (pair.difference.mean, pair.difference.low, pair.difference.high) == (0.0, 0.0, 0.0)
    assert pair.p_value == 1.0
    verdict = results.comparison.verdicts["crowd"]
    assert "n = 30 users is too small to say" in verdict
    assert "the same in every arm" in verdict


def test_a_small_sample_says_what_it_could_have_shown():
    results = compare(world({"als": 0.22, "bpr": 0.20}, users=12))
    verdict = results.comparison.verdicts["crowd"]
    assert "n = 12 users is too small to say" in verdict
    assert "smallest difference this n could show" in verdict
    [pair] = primary_pairs(results).values()
    assert pair.minimum_detectable > abs(pair.difference.mean)


def test_leaders_that_cannot_be_told_apart_are_said_to_be_ahead_of_the_rest():
    results = compare(world({"als": 0.301, "bpr": 0.30, "random": 0.1}))
    verdict = results.comparison.verdicts["crowd"]
    assert "cannot be told apart with n = 120 users" in verdict
    assert "ahead of the rest" in verdict and "above random" in verdict


def test_stored_probabilities_decide_where_every_arm_has_them():
    rates = {"als": 0.22, "bpr": 0.20}
    drawn, stored = compare(world(rates)), compare(world(rates, stored=True))
    assert "Estimated from stored probabilities" in stored.comparison.verdicts["crowd"]
    assert "stored probabilities" not in drawn.comparison.verdicts["crowd"]
    [wide], [narrow] = primary_pairs(drawn).values(), primary_pairs(stored).values()
    assert narrow.minimum_detectable < wide.minimum_detectable / 3
    assert stored.comparison.verdicts["crowd"].startswith("als is ahead")


def test_users_who_failed_anywhere_are_left_out_everywhere_and_bounds_are_given():
    results = compare(world({"als": 0.3, "random": 0.1}, users=100, failing={"als": 10}))
    [pair] = primary_pairs(results).values()
    assert pair.excluded == 10 and pair.difference.n == 90
    verdict = results.comparison.verdicts["crowd"]
    assert "10 users who failed in some arm" in verdict
    assert "als 10.0 %, random 0.0 %" in verdict
    assert "whatever the users who failed would have done" in verdict


def test_few_failures_need_no_bounds():
    results = compare(world({"als": 0.3, "random": 0.1}, users=100, failing={"als": 2}))
    assert "Failure rates differ" not in results.comparison.verdicts["crowd"]


def test_users_who_have_not_met_every_arm_are_left_out():
    sessions = world({"als": 0.3, "random": 0.1}, users=20)[:-5]
    results = compare(sessions)
    assert primary_pairs(results)["random"].difference.n == 15
    assert "5 users who have not met every arm yet" in results.comparison.verdicts["crowd"]


def test_nobody_left_and_nothing_to_compare_are_said_plainly():
    gone = compare(world({"als": 0.3, "bpr": 0.2}, users=3, failing={"als": 3}, pages=1))
    assert "nothing can be compared" in gone.comparison.verdicts["crowd"]
    assert gone.comparison.pairs == ()
    rest = compare(world({"als": 0.3, "bpr": 0.2, "c": 0.1}, users=30, failing={"c": 30}))
    assert "Left out: c, where every visit failed" in rest.comparison.verdicts["crowd"]
    assert primary_pairs(rest)["bpr"].difference.n == 30
    alone = compare(world({"als": 0.3}, users=3))
    assert "Only one recommender" in alone.comparison.verdicts["crowd"]
    assert alone.comparison.pairs == ()


def test_lower_is_better_where_the_metric_says_so():
    results = compare(
        world({"als": 0.3, "bpr": 0.3}, users=200, failing={"als": 60}), primary="gini"
    )
    assert "Gini of exposure gives no bounds" in results.comparison.verdicts["crowd"]
    sessions = world({"narrow": 0.2, "wide": 0.2}, users=60)
    ids, rng = list(CATALOG), np.random.default_rng(4)
    for n, session in enumerate(sessions):
        if session.key.arm == "wide":
            shown = tuple(ids[i] for i in rng.choice(50, 10, replace=False))
            turn = Turn(0, Slate(shown), Response((NextPage(),), 0.5))
            sessions[n] = Session(session.key, (turn,), session.end)
    verdict = compare(sessions, primary="gini").comparison.verdicts["crowd"]
    assert verdict.startswith("wide is ahead: Gini of exposure ") and "below narrow" in verdict


def test_other_metrics_are_exploratory():
    results = compare(world({"als": 0.3, "bpr": 0.2}, users=20))
    others = [p for p in results.comparison.pairs if not p.primary]
    assert others and all(p.p_holm is None for p in others)
    assert "Exploratory" in comparison_text(results, exploratory=True)
    assert "Exploratory" not in comparison_text(results)


def test_json_is_the_same_bytes_whatever_the_order_of_sessions():
    sessions = world({"als": 0.3, "bpr": 0.2}, users=15)
    shuffled = [sessions[i] for i in np.random.default_rng(0).permutation(len(sessions))]
    assert to_json(compare(sessions)) == to_json(compare(shuffled))
    assert "NaN" not in to_json(compare(world({"als": 0.3}, users=1)))


def test_tables_align_and_fold_into_the_width():
    results = compare(world({"als": 0.3, "bpr": 0.2, "random": 0.1, "推荐": 0.1}, users=12))
    wide, narrow = metrics_table(results, 200), metrics_table(results, 70)
    assert "click rate *" in wide and "[" in wide
    assert narrow.count("click rate *") > wide.count("click rate *")
    assert all(len(line) <= 70 for line in narrow.split("\n"))
    header = next(line for line in wide.split("\n") if " als " in line)
    row = next(line for line in wide.split("\n") if line.startswith("click rate"))
    assert row[header.index("bpr")].isdigit() and row[header.index("bpr") - 1] == " "


@pytest.mark.parametrize("baseline", ["bpr", None])
def test_the_baseline_is_the_one_asked_for_else_the_first(baseline):
    results = compare(world({"als": 0.3, "bpr": 0.2}, users=8), baseline=baseline)
    assert results.comparison.baseline == (baseline or "als")
    reordered = compare(world({"als": 0.3, "bpr": 0.2}, users=8), arms=["bpr", "als"])
    assert reordered.comparison.baseline == "bpr"

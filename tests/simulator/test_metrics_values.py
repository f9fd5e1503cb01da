"""Metrics of hand-made sessions whose values can be checked with a pencil."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from focusgroup.simulator.errors import FailureCause, UserError
from focusgroup.simulator.metrics import METRICS, flatten
from focusgroup.simulator.metrics.results import Results
from focusgroup.simulator.metrics.summary import summarise
from focusgroup.simulator.types import (
    Catalog,
    Click,
    Failure,
    Item,
    Leave,
    LeaveReason,
    NextPage,
    Purchase,
    Rate,
    Response,
    Review,
    Session,
    SessionEnd,
    SessionKey,
    Slate,
    SlotOdds,
    Turn,
)

SHOP = Catalog(
    {
        "a": Item("a", "A", ("x", "y"), price=10.0),
        "b": Item("b", "B", ("x",), price=4.0),
        "c": Item("c", "C", ("z",), price=2.0),
        "d": Item("d", "D", (), price=1.0),
    }
)


def visit(user, turns, end=SessionEnd.LIMIT, *, arm="als", audience="crowd", round=0, attempt=0):
    return Session(SessionKey(audience, arm, user, round), tuple(turns), end, attempt)


def page(number, items, *actions, satisfaction=0.5, odds=None):
    slate = Slate(tuple(items))
    return Turn(number, slate, Response(actions or (NextPage(),), satisfaction, odds))


def failed(number, items="ab", cause=FailureCause.EMPTY):
    return Turn(number, Slate(tuple(items)) if items else None, Failure(cause, "no reply"))


def run(sessions, **options) -> Results:
    return summarise(sessions, catalog=SHOP, **{"primary": "click_rate", "seed": 7, **options})


def value(results, metric, *, arm="als", audience="crowd", expected=False):
    [row] = [r for r in results.metrics if (r.audience, r.arm, r.metric) == (audience, arm, metric)]
    return row.expected if expected else row.sampled


SESSIONS = [
    visit(
        "u1",
        [
            page(0, "ab", Click("a"), Purchase("a", 10.0), Rate("a", 5.0), NextPage()),
            page(1, "cd", Click("c"), Leave(LeaveReason.BORED), satisfaction=0.1),
        ],
        SessionEnd.LEFT,
    ),
    visit(
        "u2",
        [page(0, "ba", Rate("b", 2.0), Review("b", "dull", False), NextPage(), satisfaction=0.9)],
    ),
    visit("u3", [page(0, "ab", Click("b"), NextPage()), failed(1, "cd")], SessionEnd.FAILED),
]


def test_engagement_ratings_and_visits_are_what_was_done():
    results = run(SESSIONS)
    assert value(results, "click_rate").mean == pytest.approx(3 / 8)
    assert value(results, "conversion").mean == pytest.approx(1 / 3)
    assert value(results, "purchases_per_session").mean == pytest.approx(1 / 2)  # u3 failed
    assert value(results, "revenue_per_session").mean == pytest.approx(10 / 2)
    assert value(results, "mean_stars").mean == pytest.approx(3.5)
    assert value(results, "mean_stars").n == 2
    assert value(results, "pages_per_session").mean == pytest.approx(3 / 2)
    assert value(results, "satisfaction").mean == pytest.approx((0.5 + 0.1 + 0.9 + 0.5) / 4)
    assert value(results, "left_bored").mean == pytest.approx(1 / 2)
    assert value(results, "left_satisfied").mean == 0
    assert value(results, "failure_rate").mean == pytest.approx(1 / 3)
    assert results.rating_histograms == {"crowd": (0, 1, 0, 0, 1)}


def test_what_was_shown_counts_unanswered_pages_too():
    results = run(SESSIONS, popularity={"a": 3, "b": 1})
    assert value(results, "coverage").mean == 1.0
    # Shown 3, 3, 2, 2 times: sum (2 i - 5) x_i / (4 * 10) with x ascending.
    assert value(results, "gini").mean == pytest.approx((-3 * 2 - 2 + 3 + 3 * 3) / 40)
    # Smoothed shares of the log: (3+1)/8, (1+1)/8, 1/8, 1/8.
    assert value(results, "novelty").mean == pytest.approx((3 * 1 + 3 * 2 + 4 * 3) / 10)
    # a,b share x of {x, y}: distance 1/2 (three pages); c,d: d has none, c one: distance 1.
    assert value(results, "intra_list_diversity").mean == pytest.approx((3 * 0.5 + 2 * 1.0) / 5)


def test_ranking_looks_at_the_first_page_of_round_0_only():
    held_out = {"u1": frozenset({"b", "z"}), "u2": frozenset({"b"}), "gone": frozenset({"a"})}
    later = visit("u1", [page(0, "bc")], round=1)
    results = run([*SESSIONS, later], held_out=held_out)
    ideal = 1 + 1 / math.log2(3)
    assert value(results, "ndcg").mean == pytest.approx(
        (1 / math.log2(3) / ideal + 1) / 2, abs=1e-4
    )
    assert value(results, "recall").mean == pytest.approx((1 / 2 + 1) / 2)
    assert value(results, "mrr").mean == pytest.approx((1 / 2 + 1) / 2)
    assert value(results, "ndcg").n == 2
    assert {r.round for r in results.rounds} == {0, 1}
    assert "ndcg" not in {r.metric for r in results.rounds}


def test_accounts_add_up_and_name_causes():
    no_page = visit("u4", [failed(0, "", FailureCause.RECOMMENDER)], SessionEnd.FAILED)
    [row] = run([*SESSIONS, no_page]).accounting
    assert (row.sessions, row.left, row.limit, row.failed_sessions) == (4, 1, 1, 2)
    assert (row.pages, row.answered, row.failed_pages) == (6, 4, 2)
    assert row.causes == {"empty": 1, "recommender": 1}
    assert row.leave_reasons == {"satisfied": 0, "bored": 1, "tired": 0}
    assert (row.reviews, row.ungrounded_reviews) == (1, 1)


def test_expected_estimates_use_stored_odds():
    odds = (SlotOdds(0.5, 0.25, 4.0), SlotOdds(0.1, 0.0, 2.0))
    results = run(
        [visit("u1", [page(0, "ab", odds=odds)]), visit("u2", [page(0, "ba", odds=odds)])]
    )
    assert value(results, "click_rate", expected=True).mean == pytest.approx(0.3)
    assert value(results, "conversion", expected=True).mean == pytest.approx(0.25 / 0.6)
    assert value(results, "purchases_per_session", expected=True).mean == pytest.approx(0.25)
    revenue = (0.25 * 10 + 0.25 * 4) / 2
    assert value(results, "revenue_per_session", expected=True).mean == pytest.approx(revenue)
    stars = (0.5 * 4 + 0.1 * 2) / 0.6
    assert value(results, "mean_stars", expected=True).mean == pytest.approx(stars)
    assert value(results, "pages_per_session", expected=True) is None
    assert value(results, "click_rate").mean == 0.0


def test_a_page_without_odds_or_a_moved_price_leaves_no_expected_estimate():
    odds = (SlotOdds(0.5, 0.25), SlotOdds(0.1, 0.1))
    whole = visit("u1", [page(0, "ab", Click("a"), Purchase("a", 99.0), odds=odds)])
    assert value(run([whole]), "click_rate", expected=True).mean == pytest.approx(0.3)
    assert value(run([whole]), "revenue_per_session", expected=True) is None
    partly = [whole, visit("u2", [page(0, "ab")])]
    assert value(run(partly), "click_rate", expected=True) is None


def test_the_latest_attempt_counts_and_order_does_not():
    retried = visit("u3", [page(0, "ab", Click("a"), NextPage())], attempt=1)
    one, other = run([*SESSIONS, retried]), run([retried, *reversed(SESSIONS)])
    assert one == other
    assert one.accounting[0].failed_sessions == 0


def test_rounds_segments_and_slots():
    sessions = [
        visit(u, [page(0, "ab", Click("a" if r == 0 else "b"), NextPage())], round=r)
        for u in ("u1", "u2", "u3", "u4")
        for r in (0, 1)
    ]
    traits = {"u1": {"activity": "high"}, "u2": {"activity": "low"}, "u3": {"activity": "low"}}
    results = run(sessions, segments=traits)
    assert [s.estimate.mean for s in results.slots] == [0.5, 0.5]
    assert [(s.segment, s.estimate.n) for s in results.segments] == [("low", 2), ("high", 1)]
    by_round = [r.estimate.mean for r in results.rounds if r.metric == "coverage"]
    assert by_round == [0.5, 0.5]


def test_audiences_are_never_pooled():
    llm = visit("u1", [page(0, "ab", Click("a"), Click("b"), NextPage())], audience="llm")
    results = run([*SESSIONS, llm])
    assert value(results, "click_rate", audience="llm").mean == 1.0
    assert value(results, "click_rate").mean == pytest.approx(3 / 8)
    assert value(results, "click_rate", audience="llm").n == 1
    assert math.isnan(value(results, "click_rate", audience="llm").low)


def test_metrics_the_run_cannot_feed_are_not_shown_unless_they_decide():
    browsing = [visit("u1", [page(0, "ab", Click("a"), NextPage())])]
    shown = {row.metric for row in run(browsing).metrics}
    assert shown.isdisjoint({"conversion", "mean_stars", "ndcg", "novelty", "revenue_per_session"})
    stars = value(run(browsing, primary="mean_stars"), "mean_stars")
    assert stars.n == 0 and math.isnan(stars.mean) and math.isnan(stars.low)


def test_recommenders_that_never_answered_and_arms_never_met_leave_no_values():
    lost = visit("u1", [failed(0, "", FailureCause.RECOMMENDER)], SessionEnd.FAILED)
    results = run([lost], arms=["als", "later"], held_out={"u1": frozenset("a")})
    means = {(r.arm, r.metric): r.sampled.mean for r in results.metrics}
    assert means["als", "failure_rate"] == 1.0
    assert sum(not math.isnan(mean) for mean in means.values()) == 1
    assert [row.sessions for row in results.accounting] == [1, 0]
    assert results.slots == () and results.comparison.pairs == ()


def test_an_audience_that_only_failed_has_no_values_but_accounts():
    results = run([visit("u1", [failed(0)], SessionEnd.FAILED)])
    assert math.isnan(value(results, "click_rate").mean)
    assert value(results, "failure_rate").mean == 1.0
    assert results.accounting[0].failed_sessions == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"primary": "click_rat"}, "Did you mean 'click_rate'"),
        ({"baseline": "alz"}, "Did you mean 'als'"),
    ],
)
def test_typos_are_answered_with_the_nearest_name(options, message):
    with pytest.raises(UserError, match=message):
        run(SESSIONS, **options)


def test_no_sessions_is_an_error_a_person_can_fix():
    with pytest.raises(UserError, match="no sessions"):
        run([])


def test_an_action_on_an_item_that_was_not_shown_is_refused():
    with pytest.raises(UserError, match=r"'z'.*did not show"):
        run([visit("u1", [page(0, "ab", Click("z"), NextPage())])])


def test_flatten_keeps_canonical_order_and_slots():
    shown = flatten(reversed(SESSIONS)).exposures
    places = list(zip(shown["user_id"], shown["page"], shown["slot"], strict=True))
    assert places == sorted(places)
    assert shown["item_id"].tolist() == list("abcdbaabcd")
    assert shown["clicked"].sum() == 3 and shown["stars"].notna().sum() == 2


@st.composite
def runs(draw):
    sessions = []
    for arm in ("als", "random"):
        for user in draw(st.sets(st.sampled_from("pqrst"))):
            turns = []
            for number in range(draw(st.integers(1, 3))):
                items = draw(st.permutations("abcd"))[: draw(st.integers(1, 4))]
                liked = draw(st.sets(st.sampled_from(items)))
                turns.append(page(number, items, *map(Click, sorted(liked)), NextPage()))
            end = draw(st.sampled_from(SessionEnd))
            if end is SessionEnd.FAILED:
                turns[-1] = failed(turns[-1].page)
            sessions.append(visit(user, turns, end, arm=arm))
    return sessions


@settings(max_examples=25)
@given(runs())
def test_whatever_happened_accounts_balance_and_estimates_stay_in_bounds(sessions):
    if not sessions:
        return
    results = run(sessions, held_out={"p": frozenset("a")}, popularity={"a": 2})
    for row in results.accounting:
        assert row.sessions == row.left + row.limit + row.failed_sessions
        assert row.pages == row.answered + row.failed_pages
    assert sum(row.sessions for row in results.accounting) == len(sessions)
    for row in results.metrics:
        low, high = METRICS[row.metric].bounds or (0.0, math.inf)
        ends = [row.sampled.low, row.sampled.mean, row.sampled.high]
        assert np.isnan(ends).any() or low - 1e-9 <= ends[0] <= ends[2] <= high + 1e-9
        assert (row.sampled.n == 0) == math.isnan(row.sampled.mean)

"""The contest of recommenders: who takes part, what they show, and what it was really worth."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from focusgroup.recommenders import check_recommender
from focusgroup.scenarios.certify import contest_rows as contest_rows_module
from focusgroup.scenarios.certify.candidate import Candidate
from focusgroup.scenarios.certify.contest import Contest, dosed, held_contest, reality
from focusgroup.scenarios.certify.contest_rows import contest_rows, hold
from focusgroup.scenarios.certify.contestants import line_up
from focusgroup.scenarios.certify.ground import Ground, lay_ground
from focusgroup.scenarios.certify.offline import ndcg, offline_questions
from focusgroup.scenarios.certify.yardsticks import CONTENT, OFFLINE, yardsticks
from focusgroup.scenarios.datasets import from_frames
from focusgroup.simulator import Domain, Recommender
from focusgroup.simulator.fidelity import Row
from focusgroup.simulator.fidelity.ranking import CEILING, ITEM_MEANS, ranking_tau

ITEMS, COMPLETE, PARTIAL = 60, 36, 90


@pytest.fixture(scope="session")
def observed() -> Ground:
    """Sixty jokes of two kinds; some people rated all, others forty of them, one kind is theirs."""
    rng = np.random.default_rng(8)
    kind, quality = np.arange(ITEMS) % 2, rng.normal(0, 0.5, ITEMS)
    rows = []
    for user in range(COMPLETE + PARTIAL):
        stars = 3 + quality + np.where(kind == user % 2, 0.7, -0.7) + rng.normal(0, 0.6, ITEMS)
        rated = np.arange(ITEMS) if user < COMPLETE else rng.choice(ITEMS, 40, replace=False)
        rows += [(f"u{user:03d}", f"j{n:02d}", float(np.clip(stars[n], 1, 5))) for n in rated]
    log = pd.DataFrame(rows, columns=["user_id", "item_id", "value"])
    items = pd.DataFrame(
        {
            "item_id": [f"j{n:02d}" for n in range(ITEMS)],
            "title": [f"{('knock', 'doctor')[k]} joke {n}" for n, k in enumerate(kind)],
        }
    )
    domain = Domain("jokes", item_noun="joke", click_verb="read")
    return lay_ground(
        from_frames(log.assign(positive=log["value"] >= 3.5), items, domain=domain), seed=1
    )


@pytest.fixture(scope="session")
def fields(planted: Ground, observed: Ground) -> Mapping[str, Mapping[str, Recommender]]:
    return {"planted": line_up(planted), "observed": line_up(observed)}


@pytest.fixture(scope="session")
def grounds(planted: Ground, observed: Ground) -> Mapping[str, Ground]:
    return {"planted": planted, "observed": observed}


BOTH = pytest.mark.parametrize("world", ["planted", "observed"])


@BOTH
def test_contestants_keep_the_contract_of_recommenders(
    world: str,
    grounds: Mapping[str, Ground],
    fields: Mapping[str, Mapping[str, Recommender]],
) -> None:
    assert len(fields[world]) >= 8
    for recommender in fields[world].values():
        check_recommender(recommender, list(grounds[world].catalog))


@BOTH
def test_they_learn_from_training_users_only(
    world: str,
    grounds: Mapping[str, Ground],
    fields: Mapping[str, Mapping[str, Recommender]],
) -> None:
    ground = grounds[world]
    nothing = ground.history.iloc[:0]
    blind = line_up(replace(ground, history=nothing, held_out=nothing))
    for own, other in zip(
        held_contest(ground, fields[world]).top.tolist(),
        held_contest(ground, blind).top.tolist(),
        strict=True,
    ):
        assert own == other


@BOTH
def test_pages_hold_ten_distinct_items_that_are_new_to_the_user(
    world: str,
    grounds: Mapping[str, Ground],
    fields: Mapping[str, Mapping[str, Recommender]],
) -> None:
    ground = grounds[world]
    contest = held_contest(ground, fields[world])
    assert contest.top.shape == (len(ground.test), len(fields[world]), 10)
    ids = np.array(contest.item_ids)
    for row, user in enumerate(contest.user_ids):
        had = {i.item_id for i in ground.histories(user)}
        later = set(ground.held_out.loc[ground.held_out["user_id"] == user, "item_id"])
        for page in ids[contest.top[row]]:
            assert len(set(page)) == 10 and not had & set(page)
            if ground.fully_observed:
                assert set(page) <= later


def test_truth_is_the_mean_real_rating_of_the_page(
    observed: Ground, fields: Mapping[str, Mapping[str, Recommender]]
) -> None:
    contest = held_contest(observed, fields["observed"])
    stars = observed.held_out.set_index(["user_id", "item_id"])["value"]
    page = [contest.item_ids[n] for n in contest.top[3, 2]]
    expected = np.mean([stars[contest.user_ids[3], item] for item in page])
    assert contest.real[3, 2] == pytest.approx(expected)
    means = dict(zip(contest.names, contest.real.mean(axis=0), strict=True))
    assert means["anti_popular"] < means["random"] < means["item_knn"]


def test_truth_is_the_share_had_later_where_not_all_is_rated(
    planted: Ground, fields: Mapping[str, Mapping[str, Recommender]]
) -> None:
    contest = held_contest(planted, fields["planted"])
    rows = planted.held_out[planted.held_out["user_id"] == contest.user_ids[5]]
    page = {contest.item_ids[n] for n in contest.top[5, 1]}
    assert contest.real[5, 1] == pytest.approx(len(page & set(rows["item_id"])) / 10)
    assert {"als", "als_small", "item_knn", "item_knn_narrow"} <= set(contest.names)


@BOTH
def test_each_pair_is_asked_once_and_the_oracle_is_right(
    world: str,
    grounds: Mapping[str, Ground],
    fields: Mapping[str, Mapping[str, Recommender]],
) -> None:
    ground = grounds[world]
    contest = held_contest(ground, fields[world])
    users, items = contest.pairs()
    assert len(set(zip(users.tolist(), items.tolist(), strict=True))) == len(users)
    assert len(users) < contest.top.size
    truth = reality(ground, contest.user_ids, users, items)
    oracle = contest.value(truth)
    assert oracle == pytest.approx(contest.real)
    row = ranking_tau([oracle], contest.real, 30, yardsticks(ground, contest, fields[world]), 1)
    assert row.value == pytest.approx(row.baselines[CEILING].mean)
    assert set(row.baselines) == {CEILING, ITEM_MEANS, CONTENT, OFFLINE}
    if not ground.fully_observed:
        assert contest.drawn_values(truth, seed=1) == pytest.approx(contest.real)


def test_the_same_page_meets_the_same_draws(planted: Ground) -> None:
    popular = line_up(planted)["popularity"]
    contest = held_contest(planted, {"one": popular, "other": popular}, planted.test[:9])
    assert contest.user_ids == planted.test[:9]
    drawn = contest.drawn_values(np.full(len(contest.asked_users), 0.4), seed=3)
    assert drawn[:, 0].tolist() == drawn[:, 1].tolist()
    clicks = contest.clicks(0, np.full(len(contest.asked_users), 0.4))
    assert (clicks(3) / 10).tolist() == drawn[:, 0].tolist()
    assert clicks(3).tolist() != clicks(4).tolist()


@BOTH
def test_yardsticks_know_no_more_than_they_say(
    world: str,
    grounds: Mapping[str, Ground],
    fields: Mapping[str, Mapping[str, Recommender]],
) -> None:
    ground = grounds[world]
    contest = held_contest(ground, fields[world])
    found = yardsticks(ground, contest, fields[world])
    assert all(values.shape == contest.real.shape for values in found.values())
    assert all(not np.isnan(values).any() for values in found.values())
    assert (found[OFFLINE] == found[OFFLINE][0]).all()
    column = {name: n for n, name in enumerate(contest.names)}
    by_items, by_text = found[ITEM_MEANS].mean(axis=0), found[CONTENT].mean(axis=0)
    assert by_items[column["popularity"]] == by_items.max()
    assert by_text[column["content"]] > by_text[column["random"]]
    # Test users' own held-out events enter none of them.
    others = ~ground.held_out["user_id"].isin(set(ground.test))
    blind = yardsticks(replace(ground, held_out=ground.held_out[others]), contest, fields[world])
    assert all((blind[name] == values).all() for name, values in found.items())


@BOTH
def test_doses_replace_the_best_page_item_by_item(
    world: str,
    grounds: Mapping[str, Ground],
    fields: Mapping[str, Mapping[str, Recommender]],
) -> None:
    contest = held_contest(grounds[world], fields[world])
    doses = dosed(grounds[world], contest)
    best = contest.top[:, contest.best()]
    assert (doses.top[:, 0] == best).all()
    replaced = (doses.top != best[:, None, :]).sum(axis=2)
    assert (np.diff(replaced, axis=1) >= 0).all()
    assert (replaced[:, -1] == 10).all()
    assert replaced[:, 1].mean() == pytest.approx(2.5, abs=0.3)
    assert all(len(set(page)) == 10 for page in doses.top.reshape(-1, 10).tolist())
    had = [{i.item_id for i in grounds[world].histories(u)} for u in doses.user_ids]
    shown = np.array(doses.item_ids)[doses.top].reshape(len(had), -1)
    assert not any(old & set(new) for old, new in zip(had, shown, strict=True))
    assert doses.real.mean(axis=0)[0] > doses.real.mean(axis=0)[-1]


def test_offline_accuracy_is_that_of_the_libraries(
    planted: Ground, fields: Mapping[str, Mapping[str, Recommender]]
) -> None:
    import ir_measures
    from ir_measures import nDCG

    requests, wanted = offline_questions(planted, planted.calibration)
    recommender = fields["planted"]["item_knn"]
    run = {
        request.user_id: {item: -float(n) for n, item in enumerate(slate.item_ids)}
        for request, slate in zip(requests, recommender.recommend(requests), strict=True)
    }
    relevant = {user: dict.fromkeys(sorted(items), 1) for user, items in wanted.items() if items}
    expected = {m.query_id: m.value for m in ir_measures.iter_calc([nDCG @ 10], relevant, run)}
    found = ndcg(recommender, requests, wanted)
    for request, value in zip(requests, found, strict=True):
        if wanted[request.user_id]:
            assert value == pytest.approx(expected[request.user_id])
        else:
            assert np.isnan(value)


def test_a_contest_values_pages_by_hand() -> None:
    top = np.array([[[0, 1], [1, 2]], [[2, 0], [0, 2]]])
    contest = Contest.of(
        ["a", "b"], ["u", "v"], ["x", "y", "z"], top, lambda users, items: 10.0 * users + items
    )
    assert [pair.tolist() for pair in contest.pairs()] == [[0, 0, 0, 1, 1], [0, 1, 2, 0, 2]]
    assert contest.real.tolist() == [[0.5, 1.5], [11.0, 11.0]]
    assert contest.value(np.array([1.0, 0.0, 0.0, 1.0, 1.0])).tolist() == [[0.5, 0.0], [1.0, 1.0]]


def test_the_second_copy_is_fitted_anew(planted: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """A recommender that is another one each time it is fitted is found out."""

    def copies() -> Row:
        candidate = Candidate(planted)

        async def rows() -> list[Row]:
            held = await hold(candidate, planted.test[:12], seed=1)
            return await contest_rows(candidate, held, sample=12, seed=1)

        found = {row.name: row for row in asyncio.run(rows())}
        return found["aa_false_positives"]

    assert "is exactly 0" in copies().note
    fitted: list[Mapping[str, Recommender]] = []

    def moody(ground: Ground) -> Mapping[str, Recommender]:
        fitted.append(line_up(ground))
        names = list(fitted[-1])
        turned = names[len(fitted) - 1 :] + names[: len(fitted) - 1]
        return {name: fitted[-1][other] for name, other in zip(names, turned, strict=True)}

    monkeypatch.setattr(contest_rows_module, "line_up", moody)
    assert "which should be exactly 0" in copies().note
    assert len(fitted) == 2

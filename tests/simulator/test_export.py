"""Exports hold what the run holds, load with their declared types, and cannot do harm."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from focusgroup.simulator.errors import FailureCause, UserError
from focusgroup.simulator.export import FORMATS, writer_for
from focusgroup.simulator.types import (
    Catalog,
    Click,
    Failure,
    Item,
    NextPage,
    Purchase,
    Rate,
    Response,
    Session,
    SessionEnd,
    SessionKey,
    Slate,
    SlotOdds,
    Turn,
)

CATALOG = Catalog(
    {
        "m1": Item("m1", "The Matrix\t(1999)\n", ("sci-fi", "film noir"), 'A "quoted" text', 9.5),
        "m2": Item("m2", '=HYPERLINK("http://evil")', ("drama",)),
        "m3": Item("m3", "-2+3", ("a|b",), price=1.0),
        "m4": Item("m4", "苹果", ()),
    }
)
USERS = pd.DataFrame(
    {
        "user_id": ["u1", "u2", "nobody"],
        "age": ["18-25", None, "99"],
        "job": ["cook\tchef", "", "x"],
    }
)


def world(users=6, seed=0):
    rng = np.random.default_rng(seed)
    sessions = []
    for audience in ("llm", "calibrated"):
        for arm in ("als", "random"):
            for user in range(users):
                turns = []
                for page in range(2):
                    items = tuple(rng.permutation(list(CATALOG))[:3].tolist())
                    chosen = [i for i in items if rng.random() < 0.4]
                    actions = [Click(i) for i in chosen]
                    actions += [Purchase(i, 2.0) for i in chosen[:1]]
                    actions += [Rate(i, float(rng.integers(1, 6))) for i in chosen]
                    odds = tuple(SlotOdds(0.4) for _ in items)
                    propensities = (0.5, 0.25, 0.125) if arm == "random" else None
                    slate = Slate(items, None, propensities)
                    turns.append(Turn(page, slate, Response((*actions, NextPage()), 0.5, odds)))
                end = SessionEnd.LIMIT
                if user == 0:
                    turns.append(Turn(2, turns[0].slate, Failure(FailureCause.EMPTY, "")))
                    end = SessionEnd.FAILED
                key = SessionKey(audience, arm, f"u{user}", 0)
                sessions.append(Session(key, tuple(turns), end))
    return sessions


SESSIONS = world()


def counted(kind, *, arm=None, audience=None):
    return sum(
        isinstance(action, kind)
        for session in SESSIONS
        for turn in session.turns
        if isinstance(turn.outcome, Response)
        and (arm is None or session.key.arm == arm)
        and (audience is None or session.key.audience == audience)
        for action in turn.outcome.actions
    )


def export(format, folder, sessions=SESSIONS, **options):
    return writer_for(format)(sessions, CATALOG, USERS, folder, "demo", **options)


def atomic(path):
    """A RecBole atomic file, loaded as its header declares."""
    header = path.read_text(encoding="utf-8").split("\n", 1)[0].split("\t")
    kinds = {"token": str, "token_seq": str, "float": np.float64}
    types = {field: kinds[field.rsplit(":", 1)[1]] for field in header}
    frame = pd.read_csv(
        path,
        sep="\t",
        dtype=types,
        keep_default_na=False,
        na_values={field: [""] for field, kind in types.items() if kind is np.float64},
    )
    return frame.rename(columns=lambda field: field.rsplit(":", 1)[0])


def test_recbole_files_load_as_declared_and_their_counts_are_the_runs(tmp_path):
    export("recbole", tmp_path)
    inter, item, user = (atomic(tmp_path / f"demo.{kind}") for kind in ("inter", "item", "user"))
    for event, kind in (("click", Click), ("purchase", Purchase), ("rate", Rate)):
        assert (inter["event"] == event).sum() == counted(kind) > 0
    assert item["item_id"].tolist() == list(CATALOG)
    assert user["user_id"].tolist() == [f"u{n}" for n in range(6)]
    assert set(inter["arm"]) == {"als", "random"}
    assert set(inter["audience"]) == {"llm", "calibrated"}
    assert inter["propensity"].isna().equals(inter["arm"] == "als")
    stars = inter[inter["event"] == "rate"]["value"]
    assert stars.between(1, 5).all()


def test_recbole_text_stays_in_its_cell(tmp_path):
    export("recbole", tmp_path)
    item, user = atomic(tmp_path / "demo.item"), atomic(tmp_path / "demo.user")
    assert item["title"].tolist()[0] == "The Matrix (1999)"
    assert item["attributes"].tolist()[0] == "sci-fi film_noir"
    assert item["description"].tolist()[0] == 'A "quoted" text'
    assert item["title"].tolist()[3] == "苹果"
    assert item["price"].tolist()[:1] == [9.5] and np.isnan(item["price"][1])
    assert user["age"].tolist()[:3] == ["", "18-25", ""]
    assert user["job"].tolist()[1] == "cook chef"


def test_one_arm_of_one_audience_needs_no_column_to_tell_it(tmp_path):
    export("recbole", tmp_path, arm="als", audience="llm")
    inter = atomic(tmp_path / "demo.inter")
    assert list(inter) == ["user_id", "item_id", "event", "value", "round", "page", "slot"]
    expected = sum(counted(k, arm="als", audience="llm") for k in (Click, Purchase, Rate))
    assert len(inter) == expected


def test_rows_come_in_canonical_order(tmp_path):
    export("recbole", tmp_path)
    inter = atomic(tmp_path / "demo.inter")
    columns = ["audience", "arm", "user_id", "round", "page", "slot"]
    places = list(inter[columns].itertuples(index=False, name=None))
    assert places == sorted(places)


@pytest.mark.parametrize("format", sorted(FORMATS))
def test_the_same_run_gives_the_same_bytes(format, tmp_path):
    first = export(format, tmp_path / "one")
    second = export(format, tmp_path / "two", list(reversed(SESSIONS)))
    assert [p.name for p in first] == [p.name for p in second]
    for one, two in zip(first, second, strict=True):
        assert one.read_bytes() == two.read_bytes()
    assert sorted(p.name for p in (tmp_path / "one").iterdir()) == sorted(p.name for p in first)


def test_parquet_keeps_types_exposures_and_unknowns(tmp_path):
    export("parquet", tmp_path)
    exposures = pq.read_table(tmp_path / "demo.exposures.parquet")
    events = pq.read_table(tmp_path / "demo.events.parquet").to_pandas()
    answered = [t for s in SESSIONS for t in s.turns if isinstance(t.outcome, Response)]
    assert exposures.num_rows == sum(len(t.slate.item_ids) for t in answered)
    assert str(exposures.schema.field("slot").type) == "int32"
    assert str(exposures.schema.field("clicked").type) == "bool"
    frame = exposures.to_pandas()
    assert frame["clicked"].sum() == counted(Click) == (events["event"] == "click").sum()
    assert exposures.column("propensity").null_count == (frame["arm"] == "als").sum()
    assert (frame["p_click"] == 0.4).all()
    shown = frame[frame["arm"] == "random"].groupby("slot")["propensity"].first()
    assert shown.tolist() == [0.5, 0.25, 0.125]
    items = pq.read_table(tmp_path / "demo.items.parquet").to_pylist()
    assert items[0]["attributes"] == ["sci-fi", "film noir"]
    assert items[0]["title"] == "The Matrix\t(1999)\n"
    assert pq.read_table(tmp_path / "demo.users.parquet").num_rows == 6


def test_movielens_has_the_layout_of_movielens(tmp_path):
    export("movielens", tmp_path, arm="als", audience="llm")
    ratings = pd.read_csv(tmp_path / "ratings.csv", dtype={"userId": str, "movieId": str})
    assert list(ratings) == ["userId", "movieId", "rating", "timestamp"]
    assert len(ratings) == counted(Rate, arm="als", audience="llm")
    first = ratings.groupby("userId")["timestamp"].apply(list)
    assert all(order == list(range(len(order))) for order in first)
    movies = pd.read_csv(tmp_path / "movies.csv", dtype=str)
    assert movies["movieId"].tolist() == list(CATALOG)
    assert movies["genres"].tolist() == ["sci-fi|film noir", "drama", "a/b", "(no genres listed)"]


def test_csv_cells_cannot_become_formulas(tmp_path):
    export("movielens", tmp_path)
    with (tmp_path / "movies.csv").open(encoding="utf-8", newline="") as stream:
        titles = [row["title"] for row in csv.DictReader(stream)]
    assert titles[1] == '\'=HYPERLINK("http://evil")'
    assert titles[2] == "'-2+3"
    assert not any(title[:1] in "=+-@\t" for title in titles)
    with (tmp_path / "ratings.csv").open(encoding="utf-8", newline="") as stream:
        assert next(csv.reader(stream))[-2:] == ["audience", "arm"]


def test_a_run_without_ratings_does_not_fit_movielens(tmp_path):
    key = SessionKey("llm", "als", "u1", 0)
    page = Turn(0, Slate(("m1",)), Response((Click("m1"), NextPage()), 0.5))
    with pytest.raises(UserError, match="use the format parquet or recbole"):
        export("movielens", tmp_path, [Session(key, (page,), SessionEnd.LIMIT)])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["../out", "a/b", "/etc/x", ".hidden", "", "a\\b", "a\nb"])
def test_nothing_is_written_outside_the_folder(name, tmp_path):
    folder = tmp_path / "in"
    for writer in FORMATS.values():
        with pytest.raises(UserError, match="export name"):
            writer(SESSIONS, CATALOG, USERS, folder, name)
    assert not list(tmp_path.iterdir())


def test_a_link_in_the_folder_is_replaced_not_followed(tmp_path):
    outside = tmp_path / "outside.txt"
    outside.write_text("mine", encoding="utf-8")
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "demo.inter").symlink_to(outside)
    export("recbole", folder)
    assert outside.read_text(encoding="utf-8") == "mine"
    assert not (folder / "demo.inter").is_symlink()


def test_a_folder_that_is_a_file_is_a_clear_error(tmp_path):
    (tmp_path / "taken").write_text("", encoding="utf-8")
    with pytest.raises(UserError, match="cannot write the export"):
        export("recbole", tmp_path / "taken")


def test_ids_that_would_break_a_text_file_are_refused(tmp_path):
    catalog = Catalog({"a\tb": Item("a\tb", "A")})
    with pytest.raises(UserError, match="control"):
        FORMATS["recbole"](SESSIONS, catalog, USERS, tmp_path, "demo")


@pytest.mark.parametrize(
    ("options", "hint"), [({"arm": "alls"}, "'als'"), ({"audience": "lm"}, "'llm'")]
)
def test_an_unknown_arm_or_audience_is_answered_with_the_nearest(options, hint, tmp_path):
    with pytest.raises(UserError, match=f"Did you mean {hint}"):
        export("parquet", tmp_path, **options)


def test_an_unknown_format_is_answered_with_the_nearest():
    with pytest.raises(UserError, match="Did you mean 'recbole'"):
        writer_for("recbol")


def test_the_datasheet_says_what_this_is_and_who_answered(tmp_path):
    told = {"llm": "SmolLM2-135M, uncalibrated"}
    sheet: Path = export("recbole", tmp_path, answered_by=told)[-1]
    text = sheet.read_text(encoding="utf-8")
    assert sheet.name == "DATASHEET.md"
    assert "Synthetic data" in text and "SmolLM2-135M, uncalibrated" in text
    assert "calibrated: not stated" in text
    assert f"click {counted(Click)}" in text and "4 pages went unanswered" in text

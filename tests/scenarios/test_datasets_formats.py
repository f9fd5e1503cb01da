"""Folders in the formats others use: RecBole, MovieLens, Jester, ReDial."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from focusgroup.scenarios.datasets import BadDataset, ProblemKind, check_dataset, load_dataset
from focusgroup.simulator.errors import UserError

SHARED = Path(__file__).parents[3] / "shared" / "data"
needs_shared = pytest.mark.skipif(
    not SHARED.is_dir(), reason=f"real Jester and ReDial are not at {SHARED}: not checked"
)


@pytest.fixture
def recbole(tmp_path: Path) -> Path:
    folder = tmp_path / "rb"
    folder.mkdir()
    (folder / "ml.inter").write_text(
        "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
        "1\t10\t0.5\t881250949\n1\t11\t4\t881250950\n2\t10\t3\t881250951\n"
    )
    (folder / "ml.item").write_text(
        "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\tprice:float\n"
        "10\tMatrix, The\t1999\tAction Sci-Fi\t9.5\n11\tThe \"Hand\"\t\t'Drama', 'War'\t\n"
    )
    (folder / "ml.user").write_text("user_id:token\tage:token\tgender:token\n1\t24\tM\n")
    return folder


def test_recbole(recbole: Path) -> None:
    data = load_dataset(recbole)
    assert data.domain.name == "ml"
    assert data.interactions["value"].tolist() == [1.0, 4.0, 3.0]
    assert data.interactions["positive"].tolist() == [False, True, False]
    assert data.interactions["timestamp"].tolist()[0] == 881250949.0
    assert data.catalog()["10"].text == "The Matrix (1999): action, sci-fi"
    assert data.catalog()["11"].text == 'The "Hand": drama, war'
    assert data.catalog()["10"].price == 9.5 and data.catalog()["11"].price is None
    assert data.users.to_dict("records") == [
        {"user_id": "1", "age": "24", "gender": "M"},
        {"user_id": "2", "age": "", "gender": ""},
    ]
    assert load_dataset(recbole / "ml.inter").fingerprint == data.fingerprint


def test_recbole_bad_files(recbole: Path) -> None:
    inter = recbole / "ml.inter"
    good = inter.read_text()
    inter.write_text(good.replace("rating:float", "rating:number"))
    with pytest.raises(BadDataset, match=r"ml.inter, row 1, column 'rating:number': .*NAME:TYPE"):
        load_dataset(recbole)
    inter.write_text(good.replace("user_id:token", "uid:token"))
    with pytest.raises(BadDataset, match=r"row 1: expected a column 'user_id:token'"):
        load_dataset(recbole)
    inter.write_text(good + "3\t99\tx\t1\n3\t10\t4\n")
    report = check_dataset(recbole)
    assert [(p.row, p.kind) for p in report.problems] == [
        (5, ProblemKind.UNKNOWN_ITEM),
        (5, ProblemKind.NUMBER),
        (6, ProblemKind.RAGGED),
    ]
    inter.write_text(good)
    (recbole / "other.inter").write_text(good)
    with pytest.raises(UserError, match=r"several datasets \(ml.inter, other.inter\)"):
        load_dataset(recbole)


def test_recbole_labels_without_items(tmp_path: Path) -> None:
    (tmp_path / "x.inter").write_text(
        "user_id:token\titem_id:token\tlabel:float\n1\ta\t1\n1\tb\t0\n"
    )
    data = load_dataset(tmp_path)
    assert data.interactions["positive"].tolist() == [True, False]
    assert data.domain.has_negatives and not data.domain.has_time
    assert data.items["title"].tolist() == ["a", "b"]


def _ml_100k(folder: Path) -> None:
    (folder / "u.data").write_text("7\t1\t5\t881250949\n7\t2\t1\t881250900\n")
    flags = ["0"] * 19
    children = "|".join([*flags[:3], "1", "1", *flags[5:]])
    films = f"1|Toy Story (1995)|01-Jan-1995||url|{children}\n2|Misérables, Les (1995)|||u|"
    (folder / "u.item").write_bytes((films + "|".join(flags) + "\n").encode("latin-1"))
    (folder / "u.user").write_text("7|24|M|technician|85711\n")


def _ml_1m(folder: Path) -> None:
    (folder / "ratings.dat").write_text("7::1::5::881250949\n7::2::1::881250900\n")
    films = (
        "1::Toy Story (1995)::Animation|Children's\n2::Misérables, Les (1995)::(no genres listed)\n"
    )
    (folder / "movies.dat").write_bytes(films.encode("latin-1"))
    (folder / "users.dat").write_text("7::M::25::17::85711\n")


def _ml_latest(folder: Path) -> None:
    (folder / "ratings.csv").write_text(
        "userId,movieId,rating,timestamp\n7,1,5.0,881250949\n7,2,0.5,881250900\n"
    )
    (folder / "movies.csv").write_text(
        "movieId,title,genres\n1,Toy Story (1995),Animation|Children's\n"
        '2,"Misérables, Les (1995)",(no genres listed)\n'
    )


@pytest.mark.parametrize(
    ("write", "user"),
    [
        (_ml_100k, {"user_id": "7", "age": "24", "gender": "male", "occupation": "technician"}),
        (
            _ml_1m,
            {
                "user_id": "7",
                "gender": "male",
                "age": "25-34",
                "occupation": "technician/engineer",
            },
        ),
        (_ml_latest, {"user_id": "7"}),
    ],
)
def test_movielens_editions(tmp_path: Path, write, user: dict[str, str]) -> None:  # type: ignore[no-untyped-def]
    write(tmp_path)
    data = load_dataset(tmp_path)
    assert data.interactions[["item_id", "value", "positive"]].to_numpy().tolist() == [
        ["2", 1.0, False],
        ["1", 5.0, True],
    ]
    assert data.catalog()["1"].text == "Toy Story (1995): animation, children's"
    assert data.catalog()["2"].text == "Les Misérables (1995)"
    assert data.users.to_dict("records") == [user]
    assert "non-commercial" in data.licence


def test_movielens_bad_rows(tmp_path: Path) -> None:
    _ml_1m(tmp_path)
    (tmp_path / "ratings.dat").write_text("7::1::5::881250949\n7::9::6::now\n7::1::5\n")
    report = check_dataset(tmp_path)
    assert sorted((p.row, p.column, p.kind) for p in report.problems) == [
        (2, "movieId", ProblemKind.UNKNOWN_ITEM),
        (2, "rating", ProblemKind.RANGE),
        (2, "timestamp", ProblemKind.TIME),
        (3, "", ProblemKind.RAGGED),
    ]


@pytest.fixture
def jester(tmp_path: Path) -> Path:
    folder = tmp_path / "jester"
    folder.mkdir()
    long = "Why did the very long joke about a chicken cross the road? To get to the end."
    (folder / "jokes.csv").write_text(f'item_id,text\nj1,"{long}"\nj2,Short.\n')
    with gzip.open(folder / "ratings_partial_users.csv.gz", "wt") as file:
        file.write("user_id,item_id,rating\nu1,j1,10\nu1,j2,-10\n")
    (folder / "ratings_complete_users.csv").write_text("user_id,item_id,rating\nu2,j1,2.5\n")
    return folder


def test_jester(jester: Path) -> None:
    data = load_dataset("jester", jester)
    assert data.interactions["value"].tolist() == [5.0, 1.0, 3.5]
    assert data.interactions["positive"].tolist() == [True, False, True]
    # Nothing is known of these people, and a persona must not be told how much they rated.
    assert data.users.to_dict("records") == [{"user_id": "u1"}, {"user_id": "u2"}]
    joke = data.catalog()["j1"]
    assert joke.title == "Why did the very long joke about a chicken cross…"
    assert joke.description.endswith("To get to the end.")
    assert data.domain.has_negatives and not data.domain.has_time
    assert data.domain.like_stars == 3.5


def test_jester_bad_row_names_its_own_file(jester: Path) -> None:
    with gzip.open(jester / "ratings_partial_users.csv.gz", "wt") as file:
        file.write("user_id,item_id,rating\nu1,j1,10\nu1,j2,99\n,j1,3\n")
    with pytest.raises(BadDataset) as caught:
        load_dataset("jester", jester)
    assert [(Path(p.file).name, p.row, p.column) for p in caught.value.problems] == [
        ("ratings_partial_users.csv.gz", 3, "rating"),
        ("ratings_partial_users.csv.gz", 4, "user_id"),
    ]


@pytest.mark.parametrize("how", ["parent", "variable", "here"])
def test_folder_is_found(jester: Path, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FOCUSGROUP_DATA", raising=False)
    if how == "parent":
        assert len(load_dataset("jester", jester.parent).items) == 2
        return
    if how == "variable":
        monkeypatch.setenv("FOCUSGROUP_DATA", str(jester.parent))
    else:
        (jester.parent / "data").mkdir()
        jester.rename(jester.parent / "data" / "jester")
        monkeypatch.chdir(jester.parent)
    assert len(load_dataset("jester").items) == 2


@pytest.mark.parametrize("name", ["jester", "redial"])
def test_missing_folder_names_all_three_ways(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FOCUSGROUP_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(UserError) as caught:
        load_dataset(name)
    for way in ("--data-dir", f"$FOCUSGROUP_DATA/{name}", f"./data/{name}", str(tmp_path)):
        assert way in str(caught.value)


def _dialogue(number: str, liked: dict[str, int]) -> dict[str, object]:
    return {
        "conversationId": number,
        "initiatorWorkerId": 3,
        "movieMentions": {film: f"Film, The{film}  (2001)" for film in liked},
        "initiatorQuestions": {
            film: {"suggested": 1, "seen": 1, "liked": answer} for film, answer in liked.items()
        }
        or [],
    }


def test_redial(tmp_path: Path) -> None:
    rows = [_dialogue("100", {"7": 1, "8": 0, "9": 2}), _dialogue("101", {})]
    (tmp_path / "test_data.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    data = load_dataset("redial", tmp_path)
    assert data.interactions[["user_id", "item_id", "event", "positive"]].to_numpy().tolist() == [
        ["100", "7", "click", True],
        ["100", "8", "click", False],
    ]
    assert len(data.items) == 3 and data.users["worker"].tolist() == ["3", "3"]
    assert data.domain.has_negatives and not data.domain.has_ratings
    (tmp_path / "test_data.jsonl").write_text('{"conversationId": 5}\nnonsense\n')
    with pytest.raises(BadDataset) as caught:
        load_dataset(tmp_path)
    assert [problem.row for problem in caught.value.problems] == [1, 2]


@needs_shared
def test_real_jester_and_redial() -> None:
    jester = load_dataset("jester", SHARED / "jester")
    assert len(jester.items) == 100 and len(jester.interactions) == 285_909
    counts = jester.interactions["user_id"].value_counts()
    assert (counts == 100).sum() == 700
    redial = load_dataset("redial", SHARED)
    assert 0.9 < redial.interactions["positive"].mean() < 0.97
    assert redial.items["title"].str.contains(r"\(\d{4}\)$").mean() > 0.9

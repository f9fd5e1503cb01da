"""Personas written by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from focusgroup.agents import Level, Persona, load_personas
from focusgroup.simulator.errors import UserError


def written(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "people.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_good_file(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        """
- id: anna
  liked: ["Alien (1979)", "大话西游"]
  disliked: [Cats]
  tastes: [horror]
  distastes: [musical]
  activity: high
  price_level: low
  demographics: {age: 34, city: Lyon}
  notes: Hates jump cuts.
- id: 7
""",
    )
    assert load_personas(path) == {
        "anna": Persona(
            "anna",
            liked=("Alien (1979)", "大话西游"),
            disliked=("Cats",),
            tastes=("horror",),
            distastes=("musical",),
            activity=Level.HIGH,
            price_level=Level.LOW,
            demographics=(("age", "34"), ("city", "Lyon")),
            notes="Hates jump cuts.",
        ),
        "7": Persona("7"),
    }
    assert list(load_personas(path)) == ["anna", "7"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "expected a list of personas"),
        ("[]", "expected a list of personas"),
        ("anna", "expected a list of personas"),
        ("id: anna", "expected a list of personas"),
        ("- id: [", "not valid YAML"),
        ("- id: a\n\t- b", "not valid YAML"),
        ("- !!python/object/apply:os.getcwd []", "not valid YAML"),
        (b"- id: \xff\xfe", "UTF-8"),
        ("- anna", "persona 1: expected keys and values"),
        ("- id: a\n-", "persona 2: expected keys and values"),
        ("- liked: [x]", "persona 1: the key 'id' is missing"),
        ("- id: ''", "persona 1: id: "),
        ("- id: ' '", "persona 1: id: "),
        ("- id: yes", "persona 1: id: "),
        ("- id: a\n- id: a", "persona 2: id 'a' is used twice"),
        ("- id: a\n  tatses: [x]", "unknown key 'tatses'. Did you mean 'tastes'?"),
        ("- id: a\n  liked: Alien", "liked: Input should be a valid list, got 'Alien'"),
        ("- id: a\n  liked: [[x]]", "liked.0: "),
        ("- id: a\n  activity: often", "activity: Input should be 'low', 'medium' or 'high'"),
        ("- id: a\n  demographics: [x]", "demographics: "),
        ("- id: a\n  notes:", "notes: "),
        (f"- id: a\n  liked: {'x' * 5000}", "liked: "),
    ],
)
def test_a_bad_file_gets_one_clear_line(tmp_path: Path, text: str | bytes, said: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(UserError) as caught:
        load_personas(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert said in message
    assert len(message.splitlines()) == 1
    assert len(message) < len(str(path)) + 250


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nobody\.yaml: cannot read the personas \(No such file"):
        load_personas(tmp_path / "nobody.yaml")
    with pytest.raises(UserError, match="Is a directory"):
        load_personas(tmp_path)

"""`redial`: what film seekers said of the films in their dialogues, from a folder the user has."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
from pydantic import BaseModel, ValidationError, field_validator

from focusgroup.simulator.domain import Domain

from .columns import InteractionColumns, ItemColumns, UserColumns
from .dataset import Dataset
from .interpret import interpret
from .location import find_folder
from .problems import KEPT, Problem, ProblemKind, Problems, shown
from .raw_table import RawTable, raw_frame
from .titles import article_first
from .values import clean_text

DIALOGUES = "*_data.jsonl"
_LIKED = {0: "no", 1: "yes"}


class _Answer(BaseModel):
    liked: int


class _Dialogue(BaseModel):
    """The fields of a dialogue that are read; an empty object may be written as `[]`."""

    conversationId: str  # noqa: N815 - the file's own name
    initiatorWorkerId: int  # noqa: N815
    movieMentions: dict[str, str | None]  # noqa: N815
    initiatorQuestions: dict[str, _Answer]  # noqa: N815

    @field_validator("movieMentions", "initiatorQuestions", mode="before")
    @classmethod
    def _empty(cls, value: object) -> object:
        return {} if value == [] else value


def read_redial(data_dir: Path | None = None) -> Dataset:
    """One user a dialogue; one click a film the seeker said they liked (positive) or did not.

    Films of which the seeker did not say either are left out. Users have the column `worker`:
    the person behind the dialogue, who may stand behind several.

    Raises:
        UserError: no such folder. BadDataset: what is wrong with its files.
    """
    folder = find_folder("redial", [DIALOGUES], data_dir)
    problems = Problems()
    rows: list[tuple[str, str, str]] = []
    places: list[tuple[str, int]] = []
    titles: dict[str, str] = {}
    workers: dict[str, str] = {}
    for path in sorted(folder.glob(DIALOGUES)):
        for line, dialogue in _dialogues(path, problems):
            user = dialogue.conversationId
            workers[user] = str(dialogue.initiatorWorkerId)
            for film, title in dialogue.movieMentions.items():
                titles.setdefault(film, article_first(clean_text(title)) or f"Film {film}")
            for film, answer in dialogue.initiatorQuestions.items():
                if answer.liked in _LIKED:
                    rows.append((user, film, _LIKED[answer.liked]))
                    places.append((str(path), line))
    log = pd.DataFrame(rows, columns=pd.Index(["dialogue", "film", "liked"]))
    films = pd.DataFrame({"film": list(titles), "title": list(titles.values())})
    people = pd.DataFrame({"dialogue": list(workers), "worker": list(workers.values())})
    return interpret(
        problems,
        Domain(
            "redial",
            item_noun="film",
            click_verb="watch",
            engaged="the seeker said they liked it",
            rejected="the seeker said they did not like it",
        ),
        log=(
            RawTable(str(folder), log, lambda at: [places[row] for row in at]),
            InteractionColumns(user="dialogue", item="film", liked="liked"),
        ),
        items=(raw_frame(str(folder), films), ItemColumns(item="film", title="title")),
        users=(raw_frame(str(folder), people), UserColumns(user="dialogue")),
        source="ReDial (Li et al. 2018)",
        licence="CC BY 4.0",
        notes=("almost all answers are likes: crowd workers playing a role in a dialogue",),
    )


def _dialogues(path: Path, problems: Problems) -> list[tuple[int, _Dialogue]]:
    found: list[tuple[int, _Dialogue]] = []
    bad: list[Problem] = []
    for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            found.append((number, _Dialogue.model_validate(json.loads(line))))
        except UnicodeDecodeError:
            value = shown(line)
            kind, column, expected = ProblemKind.NOT_UTF8, "", "text in UTF-8"
        except (json.JSONDecodeError, RecursionError):
            value = shown(line.decode("utf-8", "replace"))
            kind, column, expected = ProblemKind.RAGGED, "", "one JSON object a line"
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            value, kind = shown(first["input"]), ProblemKind.RAGGED
            column, expected = ".".join(str(part) for part in first["loc"]), first["msg"]
        else:
            continue
        bad.append(Problem(kind, str(path), number, column, value, expected))
    problems.rows[str(path)] = len(found)
    for kind in {problem.kind for problem in bad}:
        same = [problem for problem in bad if problem.kind is kind]
        problems.add_all(same[:KEPT], total=len(same))
    return found

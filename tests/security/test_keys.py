"""A key lives in the environment and on the wire: no file, word or object of a run has it."""

from __future__ import annotations

import pickle
import sqlite3
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from focusgroup.agents.llm import Journal, Line, LLMOptions
from focusgroup.agents.llm.server.openai import OpenAILLM
from focusgroup.scenarios.options import Options

KEY = "sk-planted/7d41+c0ffee"
VARIABLE = "PLANTED_KEY"
Run = Callable[..., Any]

OWN = """\
class Moody:
    '''Fails for some users.'''

    def recommend(self, requests):
        if any(request.user_id.endswith("7") for request in requests):
            raise RuntimeError("no mood for this user")
        from focusgroup.simulator import Slate
        return [Slate(tuple(f"f{n:02d}" for n in range(60) if f"f{n:02d}" not in r.exclude)[: r.k])
                for r in requests]

"""
SCENARIO = """\
title: Keys
data: {{name: {folder}/log.yaml, min_history: 5}}
page: {{k: 5, pages: 3}}
recommenders: [random, popularity, {{moody: own.py:Moody}}]
audiences:
  speaking: {{agent: llm, users: 4, llm: "openai:demo-model@{url}", reviews: 0.5, interview: true}}
  scored: {{agent: llm, users: 3, style: score, llm: "openai:demo-model@{url}"}}
"""


def _collapse(*_: object) -> str:
    raise ZeroDivisionError("nobody expects this")


def _told(path: Path) -> Iterator[str]:
    """All that a file holds: its bytes, and what is packed in them."""
    yield path.read_bytes().decode("latin-1")
    if path.suffix == ".parquet":
        yield repr(pq.read_table(path).to_pylist())
    if path.suffix == ".sqlite":
        connection = sqlite3.connect(path)
        try:
            for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type='table'"):
                yield repr(connection.execute(f'SELECT * FROM "{table}"').fetchall())
        finally:
            connection.close()


def _assert_silent(folder: Path, ran: list[Any]) -> None:
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert {".sqlite", ".parquet", ".json", ".html", ".csv", ".inter"} <= {f.suffix for f in files}
    for path in files:
        assert KEY not in path.name
        assert not [text for text in _told(path) if KEY in text], path
    for one in ran:
        assert KEY not in one.out + one.err


def test_a_whole_run_never_tells_the_key(
    focusgroup: Run,
    world: Path,
    start_server: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    recwarn: pytest.WarningsRecorder,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.chdir(world)
    monkeypatch.setenv(VARIABLE, KEY)
    (world / "own.py").write_text(OWN)
    scenario, run, key = world / "keys.yaml", world / "runs" / "one", ("--key-env", VARIABLE)
    ran = []
    with start_server("--key", KEY) as server:
        scenario.write_text(SCENARIO.format(folder=world, url=server.url))
        # At the start: the server quotes the key it refuses, and then one that is right.
        server.order("echo_key")
        refused = focusgroup("run", scenario, "--out", run, "--quiet", *key)
        server.behave()
        assert refused.code == 2 and VARIABLE in refused.err
        kinds = [
            "echo_key:500",
            "say_key",
            "say_key:escaped",
            "echo_key:400",
            "wrong",
            "half",
            "close",
            "echo_key:503",
        ]
        server.mix(0.4, kinds)
        stopped = focusgroup("run", scenario, "--out", run, "--quiet", *key, "--max-tokens", 5000)
        assert stopped.code == 3, stopped
        server.mix(0.2, kinds)
        resumed = focusgroup("resume", run, "--quiet", *key, "--max-tokens", 10**9)
        assert resumed.code in (0, 1), resumed
        ran += [refused, stopped, resumed]
        ran.append(focusgroup("resume", run, "--retry-failed", "--quiet", *key))
        for command in (("compare", run, "--json"), ("report", run), ("journal", "stats", run)):
            ran.append(focusgroup(*command))
        for format in ("parquet", "recbole", "movielens"):
            out = ("--format", format, "--out", world / format)
            ran.append(focusgroup("export", run, *out))
            assert ran[-1].code == 0, ran[-1]
        server.mix(0.1, ["say_key", "echo_key:500"])
        ran.append(focusgroup("duel", run, "--users", 2, "--quiet", *key))
        ran.append(focusgroup("doctor", "--llm", f"openai:demo-model@{server.url}", *key))
        _assert_silent(world, ran)
        said = server.seen()
        assert said and all("Authorization" not in body for body in said)
        assert "I know ***" in repr([text for p in run.glob("*.sqlite") for text in _told(p)])
        # An exception nobody foresaw ends the command with a traceback.
        monkeypatch.setattr("focusgroup.scenarios.commands.runs.closing_text", _collapse)
        with pytest.raises(ZeroDivisionError, match="nobody expects this") as raised:
            focusgroup("run", scenario, "--out", world / "two", "--users", 1, "--quiet", *key)
        whole = traceback.TracebackException.from_exception(raised.value, capture_locals=True)
        assert KEY not in "".join(whole.format())
    _assert_silent(world, ran)
    assert KEY not in caplog.text
    assert not [warning for warning in recwarn if KEY in str(warning.message)]


def test_a_certificate_never_tells_the_key(
    focusgroup: Run, world: Path, start_server: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(world)
    monkeypatch.setenv(VARIABLE, KEY)
    with start_server("--key", KEY) as server:
        server.mix(0.1, ["say_key", "echo_key:500"])
        model = ("--llm", f"openai:demo-model@{server.url}", "--key-env", VARIABLE)
        out = ("--out", world / "certificate", "--quiet")
        ran = focusgroup("certify", "--data", world / "log.yaml", "--users", 8, *model, *out)
    assert ran.code in (0, 1), ran
    assert (world / "certificate" / "certificate.json").exists()
    assert KEY not in ran.out + ran.err
    for path in world.rglob("*"):
        if path.is_file():
            assert not [text for text in _told(path) if KEY in text], path


def test_no_object_that_is_shown_or_shipped_has_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, KEY)
    options = LLMOptions(key_variable=VARIABLE)
    model = OpenAILLM("demo-model", "http://127.0.0.1:9/v1", key_variable=VARIABLE)
    with Journal(tmp_path / "journal.sqlite") as journal:
        shown = [model, options, Options(llm=options), Line(journal, options=options)]
        assert not [one for one in shown if KEY in repr(one) + str(one) + repr(vars(model))]
    for one in (options, LLMOptions(key_variable=VARIABLE)):
        assert KEY.encode() not in pickle.dumps(one)
    with pytest.raises(TypeError, match=r"pickle|stays in its process"):
        pickle.dumps(model)

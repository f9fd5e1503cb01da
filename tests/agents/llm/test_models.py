"""Model files: from a wheel, from a hub (both local here), or a path; verified, whole or absent."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from focusgroup.agents.llm import cache_dir, find_model, get_model, list_models
from focusgroup.agents.llm.local import models
from focusgroup.agents.llm.local.filehash import file_sha256
from focusgroup.agents.llm.local.wheel import WheelModel
from focusgroup.simulator.errors import UserError

GGUF = b"GGUF" + b"weights" * 1000


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FOCUSGROUP_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes for the package index, with one wheel; no network."""
    folder = tmp_path / "index"
    folder.mkdir()
    _build_wheel(folder / "tiny_model-1.0-py3-none-any.whl", GGUF)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def tiny(index: Path, monkeypatch: pytest.MonkeyPatch) -> WheelModel:
    wheel = index / "tiny_model-1.0-py3-none-any.whl"
    model = WheelModel(
        requirement="tiny-model==1.0",
        wheel_sha256=hashlib.sha256(wheel.read_bytes()).hexdigest(),
        member="tiny_model/tiny.gguf",
        file_sha256=hashlib.sha256(GGUF).hexdigest(),
        megabytes=1,
        about="a tiny one",
    )
    monkeypatch.setitem(models.KNOWN_MODELS, "tiny", model)
    return model


def _build_wheel(path: Path, content: bytes) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tiny_model/tiny.gguf", content)
        info = "tiny_model-1.0.dist-info"
        archive.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n"
        )
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")


def test_a_model_is_fetched_once_and_then_found_without_pip(cache, index, tiny, monkeypatch):
    with pytest.raises(UserError, match="focusgroup models get tiny"):
        find_model("tiny")
    path = get_model("tiny")
    assert path.read_bytes() == GGUF
    assert path.is_relative_to(cache)
    (index / "tiny_model-1.0-py3-none-any.whl").unlink()
    assert get_model("tiny") == find_model("tiny") == path
    entry = {one.name: one for one in list_models()}["tiny"]
    assert (entry.path, entry.size) == (path, len(GGUF))
    assert [one.name for one in path.parent.iterdir()] == ["tiny.gguf"], "nothing else is left"


def test_a_damaged_file_is_fetched_again(cache, tiny):
    path = get_model("tiny")
    path.write_bytes(b"GGUF" + b"damaged")
    assert get_model("tiny").read_bytes() == GGUF


@pytest.mark.parametrize("digest", ["wheel_sha256", "file_sha256"])
def test_a_file_with_another_digest_is_not_kept(cache, tiny, digest, monkeypatch):
    monkeypatch.setitem(models.KNOWN_MODELS, "tiny", replace(tiny, **{digest: "0" * 64}))
    with pytest.raises(UserError, match="not the file it should be"):
        get_model("tiny")
    assert list((cache / "models").iterdir()) == []


def test_a_wheel_that_cannot_be_had_is_an_error_with_pips_reason(cache, index, tiny):
    (index / "tiny_model-1.0-py3-none-any.whl").unlink()
    with pytest.raises(UserError, match=r"pip could not download tiny-model==1\.0: .*No matching"):
        get_model("tiny")
    assert list((cache / "models").iterdir()) == []


def test_a_path_is_taken_if_it_is_a_gguf_file(tmp_path, cache):
    good, bad = tmp_path / "good.gguf", tmp_path / "bad.bin"
    good.write_bytes(GGUF)
    bad.write_bytes(b"<html>not a model</html>")
    assert find_model(str(good)) == get_model(str(good)) == good
    with pytest.raises(UserError, match=r"bad\.bin: not a GGUF file \(it begins with b'<htm'\)"):
        find_model(str(bad))
    with pytest.raises(UserError, match="cannot be read"):
        find_model(str(tmp_path))


def test_a_misspelt_name_gets_a_hint(cache):
    with pytest.raises(UserError, match="Did you mean 'smollm2'"):
        get_model("smolm2")


def test_the_cache_is_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.setenv("FOCUSGROUP_CACHE", str(tmp_path / "own"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_dir() == tmp_path / "own"
    monkeypatch.delenv("FOCUSGROUP_CACHE")
    assert cache_dir() == tmp_path / "xdg" / "focusgroup"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(sys, "platform", "linux")
    assert cache_dir() == tmp_path / "home" / ".cache" / "focusgroup"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert cache_dir() == tmp_path / "home" / "Library" / "Caches" / "focusgroup"
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert cache_dir() == tmp_path / "local" / "focusgroup"


def test_a_hash_follows_the_file_and_needs_no_writable_cache(cache, tmp_path, monkeypatch):
    path = tmp_path / "file"
    for content in (b"one", b"another"):
        path.write_bytes(content)
        for _ in range(2):
            assert file_sha256(path) == hashlib.sha256(content).hexdigest()
    assert len(list((cache / "sha256").iterdir())) == 2
    (tmp_path / "a-file").write_text("")
    monkeypatch.setenv("FOCUSGROUP_CACHE", str(tmp_path / "a-file" / "below"))
    assert file_sha256(path) == hashlib.sha256(b"another").hexdigest()
    with pytest.raises(UserError, match="cannot be read"):
        file_sha256(tmp_path / "none")


class _Hub(BaseHTTPRequestHandler):
    """As much of the Hugging Face hub as a download of one file needs."""

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        found = self.path.split("?")[0] == "/org/repo/resolve/main/folder/tiny.gguf"
        body = GGUF if found else b""
        self.send_response(200 if found else 404)
        self.send_header("Content-Length", str(len(body)))
        if found:
            self.send_header("ETag", '"0123456789abcdef"')
            self.send_header("X-Repo-Commit", "a" * 40)
        else:
            self.send_header("X-Error-Code", "EntryNotFound")
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def hub() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Hub)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


ASK_HUB = """
import sys
from focusgroup.agents.llm import find_model, get_model
from focusgroup.simulator.errors import UserError
steps = [(find_model, "tiny"), (get_model, "tiny"), (find_model, "tiny"), (get_model, "no")]
for ask, name in steps:
    try:
        print(ask(f"hf:org/repo/folder/{name}.gguf").read_bytes()[:4])
    except UserError as error:
        print(error)
"""


def test_a_file_of_the_hub_is_downloaded_once(hub, tmp_path):
    """In a process of its own: the library reads HF_ENDPOINT when it is imported."""
    pytest.importorskip("huggingface_hub", reason="the extra focusgroup[hub] is not installed")
    environment = {"HF_ENDPOINT": hub, "HF_HOME": str(tmp_path), "PATH": "", "NO_PROXY": "*"}
    done = subprocess.run(
        [sys.executable, "-c", ASK_HUB],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    before, got, after, absent = done.stdout.splitlines()
    assert "focusgroup models get hf:org/repo/folder/tiny.gguf" in before
    assert got == after == "b'GGUF'"
    assert absent.startswith(f"hf:org/repo/folder/no.gguf: {hub} does not give it (404")
    assert done.stderr == ""


def test_without_the_library_the_hub_says_what_to_install(monkeypatch, cache):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(UserError, match=r"pip install 'focusgroup\[hub\]'"):
        find_model("hf:org/repo/file.gguf")


@pytest.mark.parametrize("name", ["hf:", "hf:repo", "hf:org/repo", "hf:org/repo/"])
def test_a_malformed_hub_name_is_an_error_with_an_example(name):
    with pytest.raises(UserError, match="write hf:OWNER/REPO/FILE"):
        find_model(name)

"""Hugging Face folders: found, checked, and known by what is in them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from focusgroup.agents.llm.local import checkpoint
from focusgroup.agents.llm.local.checkpoint import find_checkpoint, with_options
from focusgroup.simulator.errors import UserError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setenv("FOCUSGROUP_CACHE", str(tmp_path / "cache"))
    made = tmp_path / "tiny-model"
    made.mkdir()
    (made / "config.json").write_text("{}")
    (made / "tokenizer.json").write_text("{}")
    (made / "model.safetensors").write_bytes(b"weights")
    return made


def test_a_folder_is_known_by_its_files_and_not_by_its_place(folder, tmp_path):
    found = find_checkpoint(str(folder))
    assert found.folder == folder
    assert found.fingerprint.startswith("tiny-model@sha256:")
    moved = tmp_path / "elsewhere" / "tiny-model"
    shutil.copytree(folder, moved)
    assert find_checkpoint(str(moved)).fingerprint == found.fingerprint
    assert find_checkpoint(f"{folder}/").fingerprint == found.fingerprint


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json"])
def test_any_file_that_makes_answers_changes_the_name(folder, name):
    before = find_checkpoint(str(folder)).fingerprint
    (folder / name).write_bytes(b'{"other": 1}')
    assert find_checkpoint(str(folder)).fingerprint != before


def test_a_note_beside_them_changes_nothing(folder):
    before = find_checkpoint(str(folder)).fingerprint
    (folder / "README.md").write_text("hello")
    assert find_checkpoint(str(folder)).fingerprint == before


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_folder_that_holds_no_model_is_an_error(folder, name):
    (folder / name).unlink()
    (folder / "pytorch_model.bin").write_bytes(b"a pickle is not read")
    with pytest.raises(UserError, match=r"no (config.json|\*.safetensors) in"):
        find_checkpoint(str(folder))


def test_a_file_and_a_path_that_is_not_there_are_errors(folder, tmp_path):
    with pytest.raises(UserError, match="is a file; give the folder"):
        find_checkpoint(str(folder / "model.safetensors"))
    for missing in (str(tmp_path / "nothing"), "./nothing", "nothing", "a/b/c"):
        with pytest.raises(UserError, match="no such folder"):
            find_checkpoint(missing)


def test_a_model_of_the_hub_is_known_by_its_commit(folder, monkeypatch):
    commit = folder.rename(folder.parent / "0123abcd")
    asked = []

    def fetch(model: str, revision: str | None) -> Path:
        asked.append((model, revision))
        return commit

    monkeypatch.setattr(checkpoint, "_fetch", fetch)
    assert find_checkpoint("org/model", "v1").fingerprint == "org/model@0123abcd"
    assert asked == [("org/model", "v1")]


def test_a_hub_that_is_out_of_reach_is_said(tmp_path, monkeypatch):
    constants = pytest.importorskip("huggingface_hub.constants", reason="no extra `hub`")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UserError, match=r"'org/model'.*HF_HUB_OFFLINE"):
        find_checkpoint("org/model")


def test_options_that_change_answers_are_part_of_the_name():
    assert with_options("m@1", {}) == "m@1"
    assert with_options("m@1", {"quantization": "fp8", "dtype": "half"}) == (
        "m@1+dtype=half,quantization=fp8"
    )

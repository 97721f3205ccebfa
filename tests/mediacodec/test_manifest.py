"""Where models are found, which one a name or a hash means, and what is said of a damaged one."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
import pytest
from platformdirs import windows
from platformdirs.macos import MacOS
from platformdirs.unix import Unix
from platformdirs.windows import Windows
from support.manifests import TABLES, make_model

from mediacodec import manifest
from mediacodec.errors import ModelError, ModelMismatchError, ModelNotFoundError
from mediacodec.manifest import available, find_by_hash, find_by_name, read_manifest, search_path
from mediacodec_bitstream import canonical_hash


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """The four places of the search path, empty, nearest first."""
    found = {name: tmp_path / name for name in ("argument", "cache", "user", "zoo")}
    monkeypatch.setenv("MEDIACODEC_CACHE", str(found["cache"]))
    monkeypatch.setattr(manifest, "_user_folder", lambda: found["user"])
    monkeypatch.setattr(manifest, "ZOO", found["zoo"])
    return found


def digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def test_search_path_order(places: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    assert search_path(places["argument"]) == list(places.values())
    assert search_path() == [places["cache"], places["user"], places["zoo"]]
    monkeypatch.setenv("MEDIACODEC_CACHE", "")
    assert search_path() == [places["user"], places["zoo"]]


@pytest.mark.parametrize(
    ("system", "variables", "folder"),
    [
        (Unix, {"XDG_DATA_HOME": "/data"}, "/data/mediacodec/models"),
        (Unix, {"XDG_DATA_HOME": "", "HOME": "/home/me"}, "/home/me/.local/share/mediacodec/models"),
        (MacOS, {"XDG_DATA_HOME": "", "HOME": "/Users/me"}, "/Users/me/Library/Application Support/mediacodec/models"),
        (Windows, {"LOCALAPPDATA": "/c/AppData/Local"}, "/c/AppData/Local/mediacodec/models"),
    ],
)
def test_the_user_folder_of_each_system(
    monkeypatch: pytest.MonkeyPatch, system: type, variables: dict[str, str], folder: str
) -> None:
    monkeypatch.setattr(platformdirs, "PlatformDirs", system)
    monkeypatch.setattr(windows, "get_win_folder", lambda _: os.environ["LOCALAPPDATA"])  # else of Windows alone
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert manifest._user_folder() == Path(folder)


def test_no_models_at_all(places: dict[str, Path]) -> None:
    assert list(available()) == []
    with pytest.raises(ModelNotFoundError, match=r"no model 'toy'; there are: none"):
        find_by_name("toy")


@pytest.mark.parametrize("nearest", [0, 1, 2, 3])
def test_the_nearest_wins(places: dict[str, Path], nearest: int) -> None:
    for index, place in list(enumerate(places.values()))[nearest:]:
        make_model(place, "toy-1", weights=str(index))
    found = find_by_name("toy-1", places["argument"])
    assert found.weights_hash == digest(str(nearest))
    assert [model.folder for model in available(places["argument"])] == [found.folder]


def test_an_alias_is_the_newest_generation(places: dict[str, Path]) -> None:
    make_model(places["cache"], "toy-2", generation=2)
    make_model(places["user"], "toy-10", generation=10)  # as text it would come before toy-2
    make_model(places["zoo"], "toy-3", generation=3)
    make_model(places["zoo"], "other-11", alias="other", generation=11)
    assert find_by_name("toy").name == "toy-10"
    assert find_by_name("toy-2").name == "toy-2"
    with pytest.raises(ModelNotFoundError, match=r"'toy-4'.*other, other-11, toy, toy-10, toy-2, toy-3"):
        find_by_name("toy-4")


def test_further_aliases_are_as_good(places: dict[str, Path]) -> None:
    make_model(places["user"], "new-1", alias="new", aliases=["old", "older"])
    make_model(places["zoo"], "old-1", alias="old", generation=1)
    assert find_by_name("older").names == ("new-1", "new", "old", "older")
    assert find_by_name("old").name == "new-1", "of equal generations the nearest"
    make_model(places["zoo"], "old-2", alias="old", generation=2)
    assert find_by_name("old").name == "old-2"
    with pytest.raises(ModelNotFoundError, match=r"there are: new, new-1, old, old-1, old-2$"):
        find_by_name("oldest")


def test_a_name_goes_before_an_alias(places: dict[str, Path]) -> None:
    make_model(places["cache"], "toy-2", generation=2)
    make_model(places["zoo"], "toy", alias="x")
    assert find_by_name("toy").name == "toy"


class TestByHash:
    def test_finds_the_model_whatever_it_is_called(self, places: dict[str, Path]) -> None:
        make_model(places["zoo"], "toy-1", weights="a")
        make_model(places["zoo"], "toy-2", weights="b")
        assert find_by_hash(digest("a"), canonical_hash(TABLES), "gone").name == "toy-1"

    def test_a_namesake_does_not_hide_it(self, places: dict[str, Path]) -> None:
        make_model(places["cache"], "toy-1", weights="mine")
        make_model(places["zoo"], "toy-1", weights="shipped")
        assert find_by_hash(digest("shipped"), canonical_hash(TABLES), "toy-1").folder == places["zoo"] / "toy-1"

    def test_other_weights(self, places: dict[str, Path]) -> None:
        make_model(places["zoo"], "toy-1")
        with pytest.raises(ModelMismatchError, match=rf"toy-1 \({digest('other').hex()[:12]}\)"):
            find_by_hash(digest("other"), canonical_hash(TABLES), "toy-1")

    def test_other_tables(self, places: dict[str, Path]) -> None:
        make_model(places["zoo"], "toy-1")
        with pytest.raises(ModelMismatchError):
            find_by_hash(digest("w"), digest("tables"), "toy-1")

    @pytest.mark.parametrize("name", ["speech-9", None])
    def test_not_installed(self, places: dict[str, Path], name: str | None) -> None:
        make_model(places["zoo"], "toy-1")
        with pytest.raises(ModelNotFoundError, match=name or "unnamed"):
            find_by_hash(digest("other"), canonical_hash(TABLES), name)

    def test_a_stream_without_a_hash(self, places: dict[str, Path]) -> None:
        make_model(places["zoo"], "toy-1")
        with pytest.raises(ModelNotFoundError, match="no hash"):
            find_by_hash(None, None, "gone")


def edit(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    raw = json.loads((folder / "model.json").read_text())
    change(raw)
    (folder / "model.json").write_text(json.dumps(raw))


class TestDamage:
    def test_a_good_one_reads(self, tmp_path: Path) -> None:
        model = read_manifest(make_model(tmp_path, "toy-1"))
        assert model.verify() == []
        assert np.array_equal(model.arrays["frequencies"], TABLES["frequencies"])
        assert model.graph("encoder").states == (manifest.Tensor("s0", (1, 3)),)
        assert model.graph_path("decoder") == tmp_path / "toy-1" / "decoder.onnx"

    @pytest.mark.parametrize(
        "key",
        [
            "schema", "name", "alias", "generation", "family", "licence", "description",
            "weights_sha256", "tables_sha256", "graphs", "tables", "settings",
        ],
    )  # fmt: skip
    def test_a_key_is_missing(self, tmp_path: Path, key: str) -> None:
        folder = make_model(tmp_path, "toy-1")
        edit(folder, lambda raw: raw.pop(key))
        with pytest.raises(ModelError, match=key):
            read_manifest(folder)

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("schema", 2),
            ("name", 7),
            ("alias", None),
            ("aliases", "live"),
            ("aliases", ["live", 3]),
            ("aliases", [""]),
            ("generation", "newest"),
            ("generation", None),
            ("generation", float("inf")),
            ("settings", []),
            ("weights_sha256", "abc"),
            ("weights_sha256", "zz" * 32),
            ("tables_sha256", "ab" * 31),
            ("graphs", []),
            ("graphs", {"encoder": "encoder.onnx"}),
            ("tables", None),
        ],
    )
    def test_a_value_is_impossible(self, tmp_path: Path, key: str, value: Any) -> None:
        folder = make_model(tmp_path, "toy-1")
        edit(folder, lambda raw: raw.update({key: value}))
        with pytest.raises(ModelError, match=r"model\.json"):
            read_manifest(folder)

    @pytest.mark.parametrize("shape", [[1, -3], [1 << 40], [float("inf")], [1 << 20, 1 << 20]])
    def test_a_state_is_impossible(self, tmp_path: Path, shape: list[Any]) -> None:
        folder = make_model(tmp_path, "toy-1")
        edit(folder, lambda raw: raw["graphs"]["encoder"]["states"][0].update({"shape": shape}))
        with pytest.raises(ModelError, match=r"model\.json"):
            read_manifest(folder)

    @pytest.mark.parametrize("text", ["", "[]", "null", "{", '{"schema": 1}', "\x00" * 30, "[" * 100_000])
    def test_no_manifest(self, tmp_path: Path, text: str) -> None:
        folder = make_model(tmp_path, "toy-1")
        (folder / "model.json").write_text(text)
        with pytest.raises(ModelError, match=r"model\.json"):
            read_manifest(folder)

    def test_not_text(self, tmp_path: Path) -> None:
        folder = make_model(tmp_path, "toy-1")
        (folder / "model.json").write_bytes(b"\xff\xfe\x80")
        with pytest.raises(ModelError, match=r"model\.json"):
            read_manifest(folder)

    def test_far_too_large(self, tmp_path: Path) -> None:
        folder = make_model(tmp_path, "toy-1")
        (folder / "model.json").write_bytes(b" " * (manifest.MAX_MANIFEST + 1))
        with pytest.raises(ModelError, match="larger"):
            read_manifest(folder)

    def test_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match="No such file"):
            read_manifest(tmp_path)

    @pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/b", "..", "", "sub/", "a\0b"])
    @pytest.mark.parametrize("where", ["tables", "graphs"])
    def test_files_outside_the_folder_are_refused(self, tmp_path: Path, where: str, name: str) -> None:
        folder = make_model(tmp_path, "toy-1")

        def change(raw: dict[str, Any]) -> None:
            (raw["tables"] if where == "tables" else raw["graphs"]["encoder"])["file"] = name

        edit(folder, change)
        with pytest.raises(ModelError, match="outside"):
            read_manifest(folder)

    def test_tables_that_were_changed(self, tmp_path: Path) -> None:
        model = read_manifest(make_model(tmp_path, "toy-1"))
        np.savez(model.folder / "tables.npz", frequencies=TABLES["frequencies"] + np.uint32(1))
        with pytest.raises(ModelMismatchError, match="toy-1"):
            _ = model.arrays

    @pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and no more", b"text", b"\x93NUMPY", None])
    def test_tables_that_cannot_be_read(self, tmp_path: Path, content: bytes | None) -> None:
        model = read_manifest(make_model(tmp_path, "toy-1"))
        (model.folder / "tables.npz").unlink()
        if content is not None:
            (model.folder / "tables.npz").write_bytes(content)
        with pytest.raises(ModelError, match="toy-1"):
            _ = model.arrays

    def test_tables_with_code_inside_are_not_run(self, tmp_path: Path) -> None:
        model = read_manifest(make_model(tmp_path, "toy-1"))
        np.savez(model.folder / "tables.npz", frequencies=np.array([{"a": print}], dtype=object))
        with pytest.raises(ModelError, match="toy-1"):
            _ = model.arrays

    def test_a_graph_that_is_not_named(self, tmp_path: Path) -> None:
        model = read_manifest(make_model(tmp_path, "toy-1"))
        with pytest.raises(ModelError, match=r"'vocoder'.*encoder, decoder"):
            model.graph("vocoder")

    @pytest.mark.parametrize("file", ["encoder.onnx", "decoder.onnx", "tables.npz", "quantizer.npz"])
    def test_verify_finds_a_changed_byte(self, tmp_path: Path, file: str) -> None:
        model = read_manifest(make_model(tmp_path, "toy-1"))
        path = model.folder / file
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
        (problem,) = model.verify()
        assert file in problem
        path.unlink()
        assert model.verify() == [f"{path} is missing"]


def test_models_that_ship_are_whole() -> None:
    models = list(available())
    assert models, "no model is installed"
    for model in models:
        assert model.verify() == []
        assert {path.name for path in model.folder.iterdir()} == {"model.json", *(file.file for file in model.files)}
        assert model.arrays
        size = sum(path.stat().st_size for path in model.folder.iterdir())
        assert size <= 30e6, f"{model.name} takes {size / 1e6:.1f} MB"
        assert model.licence
        assert model.description
        assert model.folder.name == model.name, "folders are looked up by name"
    assert find_by_name("speech").alias == "speech"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
@pytest.mark.parametrize("kind", ["pipe", "device", "large"])
def test_files_that_are_not_regular_or_too_large_are_passed_over(places: dict[str, Path], kind: str) -> None:
    make_model(places["zoo"], "good")
    make_model(places["cache"], "bad")
    path = places["cache"] / "bad" / "model.json"
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        path.write_bytes(b" " * (manifest.MAX_MANIFEST + 1))
    assert [model.name for model in available()] == ["good"]
    with pytest.raises(ModelError, match=r"no regular file|larger than"):
        find_by_name("bad")
    tables = places["zoo"] / "good" / "tables.npz"
    tables.unlink()
    os.mkfifo(tables)
    found = find_by_name("good")
    assert any("no regular file" in problem for problem in found.verify())
    with pytest.raises(ModelError, match="no regular file"):
        assert found.arrays

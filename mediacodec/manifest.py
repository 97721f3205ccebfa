"""What a model is and where models lie.

A model is a folder `NAME/` with `model.json`, its ONNX graphs and its integer tables. Folders are looked for in the
search path: a given folder, MEDIACODEC_CACHE, the user's data folder, the zoo inside the package; the first that has
the name wins. A stream names its model by hash, so a file decodes with that model or not at all.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from mediacodec.errors import ModelError, ModelMismatchError, ModelNotFoundError
from mediacodec.npz import Array, names, open_npz, read_array
from mediacodec.regular_files import MAX_FILE, open_regular, read_regular
from mediacodec_bitstream import canonical_hash

Settings = dict[str, Any]
"""What a part of `model.json` holds, as JSON has it; whoever reads a value checks it."""

SCHEMA = 1
ZOO = Path(__file__).parent / "zoo"
MAX_MANIFEST = 1 << 20  # bytes
MAX_TABLES = 1 << 28  # bytes of an array, unpacked
MAX_STATE = 1 << 26  # numbers in a state of a graph


@dataclass(frozen=True)
class Tensor:
    """A state of a step graph.

    Attributes:
        name: also the stem of the graph's input and output.
        shape: fixed.
    """

    name: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Graph:
    """One file of a model.

    Attributes:
        file: its name, in the model's folder.
        sha256: of its bytes, in hexadecimal.
        states: of the step graph that it holds, if it holds one.
    """

    file: str
    sha256: str
    states: tuple[Tensor, ...]


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The contents of `model.json`.

    Attributes:
        name: of the model; it stands for these weights and no others.
        alias: a name that stands for the newest of several models.
        aliases: further such names, under which it was known before.
        generation: which of them it is.
        family: the key of its family in CODECS.
        licence, description: for people.
        weights_sha256, tables_sha256: canonical hashes, in hexadecimal, as streams carry them.
        tables: the file of integer tables.
        graphs: ONNX files by the name that the family has for them.
        settings: what only the codec family reads.
        folder: where all of it lies.
        context: the file of a context model, which may join a shipped model later: it has a hash of its own, which only
            the streams that need it carry, so that `tables_sha256` and all other streams stay as they are.
        context_sha256: its canonical hash; "" without.
        training: the file with weights that the graphs hold in a form that training cannot go on from; running needs it
            not.
    """

    name: str
    alias: str
    generation: int
    family: str
    licence: str
    description: str
    weights_sha256: str
    tables_sha256: str
    tables: Graph
    graphs: dict[str, Graph]
    settings: Settings
    folder: Path = field(repr=False)
    context: Graph | None = None
    context_sha256: str = ""
    training: Graph | None = None
    aliases: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Its name and all its aliases: what it answers to."""
        return (self.name, self.alias, *self.aliases)

    @property
    def files(self) -> list[Graph]:
        """Every file beside the manifest."""
        return [*self.graphs.values(), self.tables, *(file for file in (self.context, self.training) if file)]

    @property
    def weights_hash(self) -> bytes:
        """The canonical hash of the weights, 32 bytes, as streams carry it."""
        return bytes.fromhex(self.weights_sha256)

    @property
    def tables_hash(self) -> bytes:
        """The canonical hash of the tables, 32 bytes, as streams carry it."""
        return bytes.fromhex(self.tables_sha256)

    @property
    def context_hash(self) -> bytes:
        """The canonical hash of the context model, 32 bytes; empty where there is none."""
        return bytes.fromhex(self.context_sha256)

    def graph(self, name: str) -> Graph:
        """The graph that a codec family calls `name`. Raises ModelError where the model has none."""
        if name not in self.graphs:
            raise ModelError(f"model {self.name} has no graph {name!r}; there are: {', '.join(self.graphs) or 'none'}")
        return self.graphs[name]

    def graph_path(self, name: str) -> Path:
        """Where that graph lies. Raises ModelError where the model has none."""
        return self.folder / self.graph(name).file

    @cached_property
    def arrays(self) -> dict[str, Array]:
        """The integer tables by name. Raises ModelMismatchError where they are not what the manifest promises."""
        return self._load(self.tables.file, self.tables_hash)

    @cached_property
    def context_arrays(self) -> dict[str, Array]:
        """The integers of the context model by name. Raises ModelError where there is none, and as `arrays` does."""
        if self.context is None:
            raise ModelError(f"model {self.name} has no context model")
        return self._load(self.context.file, self.context_hash)

    def _load(self, name: str, expected: bytes) -> dict[str, Array]:
        try:
            with open_regular(self.folder / name) as file, open_npz(file) as archive:
                arrays = {key: read_array(archive, key, max_bytes=MAX_TABLES) for key in names(archive)}
            found = canonical_hash(arrays)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise ModelError(f"model {self.name}: cannot read {name}: {error}") from error
        if found != expected:
            raise ModelMismatchError(f"model {self.name}: {name} does not match its manifest; reinstall it")
        return arrays

    def verify(self) -> list[str]:
        """Problems with the files of this model; empty where every byte is as the manifest says."""
        problems = []
        for graph in self.files:
            path = self.folder / graph.file
            try:
                if hashlib.sha256(read_regular(path, MAX_FILE)).hexdigest() != graph.sha256:
                    problems.append(f"{path} has another SHA-256 than the manifest")
            except FileNotFoundError:
                problems.append(f"{path} is missing")
            except OSError as error:
                problems.append(f"{path} cannot be read: {error.strerror}")
            except ModelError as error:
                problems.append(str(error))
        return problems


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a model.

    Args:
        folder: that holds `model.json`.

    Raises:
        ModelError: there is none, or it makes no sense.
    """
    path = folder / "model.json"
    try:
        raw = json.loads(read_regular(path, MAX_MANIFEST).decode("utf-8"))
        if raw["schema"] != SCHEMA:
            raise ModelError(f"{path} has schema {raw['schema']}; this version reads {SCHEMA}: upgrade mediacodec")
        if not isinstance(raw["settings"], dict):
            raise TypeError("its settings must be an object")
        graphs = {name: _graph(value) for name, value in raw["graphs"].items()}
        plain = ("name", "alias", "family", "licence", "description", "weights_sha256", "tables_sha256")
        return Manifest(
            **{key: _text(raw, key) for key in plain},
            generation=int(raw["generation"]),
            tables=_graph(raw["tables"]),
            graphs=graphs,
            settings=raw["settings"],
            folder=folder,
            context=_graph(raw["context"]) if "context" in raw else None,
            context_sha256=_text(raw, "context_sha256") if "context" in raw else "",
            training=_graph(raw["training"]) if "training" in raw else None,
            aliases=_aliases(raw.get("aliases", [])),
        )
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}") from error
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError, RecursionError) as error:
        raise ModelError(f"{path} is not a model manifest: {error!r}") from error


def _text(raw: Settings, key: str) -> str:
    value = raw[key]
    if not isinstance(value, str):
        raise TypeError(f"{key} must be text, not {value!r}")
    if key.endswith("sha256") and len(bytes.fromhex(value)) != 32:
        raise ValueError(f"{key} must be 64 hexadecimal digits")
    return value


def _aliases(raw: object) -> tuple[str, ...]:
    if not isinstance(raw, list) or not all(isinstance(name, str) and name for name in raw):
        raise TypeError(f"aliases must be a list of names, not {raw!r}")
    return tuple(raw)


def _graph(raw: Settings) -> Graph:
    name = str(raw["file"])
    if Path(name).name != name or name in ("", "..") or "\0" in name:
        raise ValueError(f"file name {name!r} points outside the model's folder")
    states = tuple(Tensor(s["name"], tuple(int(n) for n in s["shape"])) for s in raw.get("states", ()))
    if any(min(s.shape, default=0) < 0 or math.prod(s.shape) > MAX_STATE for s in states):
        raise ValueError(f"{name} has states of impossible shapes")
    return Graph(name, str(raw["sha256"]), states)


def search_path(folder: Path | None = None) -> list[Path]:
    """Folders that hold models, in the order they are searched.

    Args:
        folder: one to search before all others.
    """
    places = [folder] if folder else []
    if install_folder() != _user_folder():
        places.append(install_folder())
    return [*places, _user_folder(), ZOO]


def install_folder() -> Path:
    """Where new models are put: MEDIACODEC_CACHE, or the user's data folder."""
    cache = os.environ.get("MEDIACODEC_CACHE")
    return Path(cache) if cache else _user_folder()


def _user_folder() -> Path:
    """%LOCALAPPDATA%, ~/Library/Application Support, or XDG_DATA_HOME (~/.local/share), and in it mediacodec/models."""
    import platformdirs  # here: most files decode with a model of the zoo

    return platformdirs.user_data_path("mediacodec", appauthor=False) / "models"


def available(folder: Path | None = None) -> Iterator[Manifest]:
    """Every model in the search path, nearest first; a name seen once hides later ones.

    A folder whose manifest cannot be read is passed over: it must not keep the others from working.

    Args:
        folder: one to search before all others.
    """
    seen: set[str] = set()
    for place in _folders(folder):
        if place.name not in seen and (manifest := _readable(place)):
            seen.add(place.name)
            yield manifest


def _readable(place: Path) -> Manifest | None:
    try:
        return read_manifest(place)
    except ModelError:
        return None


def _folders(folder: Path | None) -> Iterator[Path]:
    """Every model folder in the search path, nearest first, hidden ones too."""
    for place in search_path(folder):
        yield from sorted(path.parent for path in place.glob("*/model.json"))


def find_by_name(name: str, folder: Path | None = None) -> Manifest:
    """The model called `name`, or the newest generation of those that have it as an alias.

    Args:
        name: of a model, or an alias.
        folder: one to search before all others.

    Raises:
        ModelNotFoundError: there is none.
        ModelError: the model of that name is damaged.
    """
    for place in _folders(folder):
        if place.name == name:
            return read_manifest(place)
    aliased = None
    for manifest in available(folder):
        if name in manifest.names[1:] and (aliased is None or manifest.generation > aliased.generation):
            aliased = manifest
    if aliased is None:
        known = sorted({name for m in available(folder) for name in (m.name, m.alias)})
        raise ModelNotFoundError(f"no model {name!r}; there are: {', '.join(known) or 'none'}")
    return aliased


def find_by_hash(weights: bytes | None, tables: bytes | None, name: str | None, folder: Path | None = None) -> Manifest:
    """The model that a stream was encoded with.

    Args:
        weights, tables: canonical hashes, 32 bytes each.
        name: of the model, if the stream names one; it only makes the message useful.
        folder: one to search before all others.

    Raises:
        ModelNotFoundError: it is not here.
        ModelMismatchError: the name is known, but stands for other weights or tables.
    """
    namesake = None
    for place in _folders(folder):  # a namesake nearer by must not hide the model that fits
        manifest = _readable(place)
        if manifest is None:
            continue
        if manifest.weights_hash == weights and manifest.tables_hash == tables:
            return manifest
        if manifest.name == name and namesake is None:
            namesake = manifest
    wanted = f"{name or 'unnamed'} ({weights.hex()[:12] if weights else 'no hash'})"
    if namesake:
        raise ModelMismatchError(
            f"the stream needs model {wanted}, but {namesake.folder} holds other weights or tables"
        )
    raise ModelNotFoundError(f"the stream needs model {wanted}, which is not installed; see `mediacodec models list`")

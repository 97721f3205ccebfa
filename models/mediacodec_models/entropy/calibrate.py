"""Entropy tables fitted to somebody's own recordings: a model beside the one they started from, with the same networks.

The codes are those that the model's own encoder chooses. The old model stays, so what was coded with it still decodes.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mediacodec.bench.audio.clips import find_clips
from mediacodec.codecs.options import DEFAULT_RUNTIME, AudioOptions
from mediacodec.codecs.registry import CODECS, AudioFamily
from mediacodec.entropy_coding.code_tables import CodeTables
from mediacodec.errors import InputError, ModelError, ParameterError
from mediacodec.manifest import Manifest, available, read_manifest
from mediacodec.media import AudioSource, Converter
from mediacodec.npz import save_arrays
from mediacodec_bitstream import AudioParameters, canonical_hash
from mediacodec_models.entropy.code_tables import fit_tables, mean_bits
from mediacodec_models.entropy.code_vectors import code_vectors
from mediacodec_models.installing import new_model, place_of

HELD_OUT = 5  # every fifth piece is not learned from, but measured on
PIECES = 4 * HELD_OUT  # that fewer recordings than HELD_OUT are cut into
LEAST_FRAMES = 200

Progress = Callable[[float], None]  # takes the seconds of audio coded so far


@dataclass(frozen=True)
class Calibration:
    """The new model, and mean bits a frame of each codebook on held-out audio, with the old tables and the new."""

    model: Manifest
    before: list[float]
    after: list[float]
    seconds: float


def calibrate(
    model: Manifest,
    recordings: Path,
    *,
    name: str | None = None,
    folder: Path | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Calibration:
    """A new model called `name` (by default the old name and "-calibrated") with tables fitted to `recordings`.

    folder: where it is put, by default MEDIACODEC_CACHE or the user's data folder. Raises ParameterError on a name that
    is impossible or another model's, OutputExistsError, OutputError, InputError where there is too little audio,
    ModelError where the model has no such tables or they would not gain by it.
    """
    old = _tables(model)
    name = f"{model.name}-calibrated" if name is None else name
    place = place_of(name, folder, overwrite=overwrite)
    if name in model.names or (not place.exists() and name in _names(folder)):
        raise ParameterError(f"{name} is a model already, which this one would hide; choose another name")
    codes, seconds = [], 0.0
    for clip, duration in all_codes(model, recordings):
        codes.append(clip)
        seconds += duration
        if progress:
            progress(seconds)
    train, held = split(codes)
    size = old.classes.shape[1]
    new = fit_tables(train, held, code_vectors(train, size))
    before, after = (mean_bits(held, tables) for tables in (old, new))
    if after[1][-1] >= before[1][-1]:
        raise ModelError(
            f"fitted to {seconds:.0f} s of audio, the tables would take {after[1][-1]:.1f} bits a frame where "
            f"{model.name} takes {before[1][-1]:.1f}: give more audio"
        )
    with new_model(place) as made:
        _write(model, made, new, after)
        _ = _tables(read_manifest(made))
    took, takes = ([float(b) for b in np.diff(bits[1], prepend=0.0)] for bits in (before, after))
    return Calibration(read_manifest(place), took, takes, seconds)


def _tables(model: Manifest) -> CodeTables:
    """Raises ModelError where the model has no tables of codes."""
    family = CODECS.get(model.family)
    if not isinstance(family, AudioFamily) or family.code_reader is None:
        raise ModelError(f"model {model.name} is of family {model.family!r}, whose tables cannot be fitted")
    return CodeTables.of(model)


def _names(folder: Path | None) -> set[str]:
    return {name for model in available(folder) for name in model.names}


def all_codes(model: Manifest, recordings: Path) -> Iterator[tuple[NDArray[np.uint16], float]]:
    """Codes [codebooks, frames] of every file under `recordings`, and its seconds. Raises InputError."""
    for clip in find_clips(recordings):
        codes, seconds = _codes(model, clip.path)
        if codes.shape[1] > 1:
            yield codes, seconds


def _codes(model: Manifest, path: Path) -> tuple[NDArray[np.uint16], float]:
    family = CODECS[model.family]
    assert isinstance(family, AudioFamily)
    assert family.code_reader is not None
    encoder = family.encoder(model, AudioOptions(), DEFAULT_RUNTIME)
    reader = family.code_reader(model, encoder.header)
    parameters = encoder.header.parameters
    assert isinstance(parameters, AudioParameters)
    found = [np.zeros((reader.num_codebooks, 0), dtype=np.uint16)]
    length = 0
    with AudioSource(path) as source:
        converter = Converter(source.sample_rate, source.channels, parameters.sample_rate, parameters.channels)
        for chunk in source.blocks():
            length += chunk.num_samples
            found += [reader.read(packet) for packet in encoder.push(converter.push(chunk))]
        found += [reader.read(packet) for packet in encoder.push(converter.flush()) + encoder.flush()]
        return np.concatenate(found, axis=1), length / source.sample_rate


def split(codes: list[NDArray[np.uint16]]) -> tuple[list[NDArray[np.uint16]], list[NDArray[np.uint16]]]:
    """What is learned from and what is held out: whole recordings, or stretches of them where there are few.

    Raises InputError where there is too little.
    """
    frames = sum(clip.shape[1] for clip in codes)
    if frames < LEAST_FRAMES:
        raise InputError(f"the files there hold {frames} frames of audio; at least {LEAST_FRAMES} are needed")
    if len(codes) < HELD_OUT:
        size = frames // PIECES
        codes = [clip[:, i : i + size] for clip in codes for i in range(0, clip.shape[1] - 1, size)]
    held = codes[HELD_OUT - 1 :: HELD_OUT]
    return [clip for i, clip in enumerate(codes) if i % HELD_OUT != HELD_OUT - 1], held


def _write(model: Manifest, made: Path, tables: CodeTables, bits: tuple[list[float], list[float]]) -> None:
    """The model with other tables, under the name of the folder `made`."""
    for file in model.files:
        if file is not model.tables:
            _linked(model.folder / file.file, made / file.file)
    arrays = {name: getattr(tables, name) for name in ("frequencies", "classes", "source", "lag")}
    path = made / model.tables.file
    save_arrays(path, arrays)
    raw = json.loads((model.folder / "model.json").read_text(encoding="utf-8"))
    raw |= {"name": made.name, "alias": made.name, "generation": 1}
    raw.pop("aliases", None)  # those stay the old model's
    raw["description"] += f"; {model.name} with tables fitted to other audio"
    raw["tables"] = {"file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    raw["tables_sha256"] = canonical_hash(arrays).hex()
    first, later = ([round(b, 3) for b in values] for values in bits)
    raw["settings"] |= {"bits_first_frame": first, "bits_per_frame": later}
    (made / "model.json").write_text(json.dumps(raw, indent=1) + "\n", encoding="utf-8")


def _linked(source: Path, target: Path) -> None:
    """The same file under another name where the file system can do that, else a copy."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)

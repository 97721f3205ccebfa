"""Importers of published weights: one a file, IMPORTERS the only table of them.

An importer knows the layouts in which one published codec is saved, its authors' own and the Hugging Face one, and
turns such a checkpoint into a model folder: step or window graphs, integer tables, a manifest. From then on the model
is like any other.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mediacodec.codecs.options import DEFAULT_RUNTIME, AudioOptions
from mediacodec.codecs.registry import CODECS, AudioFamily
from mediacodec.errors import MediaCodecError, ModelError
from mediacodec.manifest import Manifest, read_manifest
from mediacodec_bitstream import AudioParameters
from mediacodec_models.importers import dac, encodec, mimi, snac, wavtokenizer
from mediacodec_models.importers.checkpoint import Checkpoint, read_checkpoint
from mediacodec_models.installing import new_model, place_of


@dataclass(frozen=True)
class Importer:
    """How to import one published codec.

    recognises: whether a checkpoint is one of its kind, from its keys, shapes and configuration;
    convert: writes the folder `out` of a model called `name` (graphs, tables.npz, model.json) and returns the manifest.
    Raises ModelError where weights are missing or do not fit the published architecture.
    """

    recognises: Callable[[Checkpoint], bool]
    convert: Callable[[Checkpoint, str, Path], dict[str, Any]]


IMPORTERS: dict[str, Importer] = {
    "dac": Importer(dac.recognises, dac.convert),
    "encodec": Importer(encodec.recognises, encodec.convert),
    "mimi": Importer(mimi.recognises, mimi.convert),
    "snac": Importer(snac.recognises, snac.convert),
    "wavtokenizer": Importer(wavtokenizer.recognises, wavtokenizer.convert),
}


def import_model(
    path: Path, *, name: str | None = None, folder: Path | None = None, overwrite: bool = False
) -> Manifest:
    """Make a model of the published checkpoint at `path`: a file, or a Hugging Face folder.

    name: of the model, by default that of the file or folder; folder: where models lie, by default MEDIACODEC_CACHE or
    the user's data folder. The model appears there whole or not at all. Raises InputError where nothing can be read,
    ModelError where it is no checkpoint known here, ParameterError on an impossible name, OutputExistsError where there
    is a model of that name and `overwrite` does not say that it may go, OutputError.
    """
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", path.resolve().stem) if name is None else name
    place = place_of(name, folder, overwrite=overwrite)
    checkpoint = read_checkpoint(path)
    importer = next((i for i in IMPORTERS.values() if i.recognises(checkpoint)), None)
    if importer is None:
        raise ModelError(f"{path} is no checkpoint known here; there are importers for: {', '.join(IMPORTERS)}")
    with new_model(place) as made:
        importer.convert(checkpoint, name, made)
        try:
            check(read_manifest(made))
        except MediaCodecError:
            raise
        except Exception as error:  # ONNX Runtime raises its own classes, which share no base but Exception
            raise ModelError(f"{path}: its network does not run: {str(error).splitlines()[0]}") from error
    return read_manifest(place)


def check(model: Manifest) -> None:
    """Code and decode a second of noise. Raises ModelError where the graphs do not run, or not to finite samples."""
    family = CODECS[model.family]
    assert isinstance(family, AudioFamily)
    encoder = family.encoder(model, AudioOptions(), DEFAULT_RUNTIME)
    parameters = encoder.header.parameters
    assert isinstance(parameters, AudioParameters)
    shape = (parameters.channels, parameters.sample_rate + 1)
    noise = 0.1 * np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
    packets = encoder.push(noise) + encoder.flush()
    decoder = family.decoder(model, encoder.header, DEFAULT_RUNTIME)
    for chunk in (*map(decoder.push, packets), decoder.flush()):
        if not np.isfinite(chunk.samples).all():
            raise ModelError("the checkpoint's network gives samples that are not finite: its weights are damaged")

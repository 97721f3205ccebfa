"""Models and streams of packet vectors as the product wants them: folders to read, headers, packets."""

from __future__ import annotations

import hashlib
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from arrays import Array, from_json

from mediacodec.manifest import Manifest, read_manifest
from mediacodec_bitstream import AudioParameters, Packet, StreamHeader, VideoParameters, canonical_hash

Vector = dict[str, Any]
RATE = Fraction(25)


def tables_of(vector: Vector, folder: Path) -> dict[str, Array]:
    """The model's tables: in the vector itself, or in a file beside it."""
    tables = vector["model"]["tables"]
    if isinstance(tables, str):
        with np.load(folder / tables, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive}
    return {name: from_json(array) for name, array in tables.items()}


def model_of(vector: Vector, tables: dict[str, Array], place: Path) -> Manifest:
    """The vector's model as a folder at `place`, which this makes, and read from there."""
    place.mkdir(parents=True)
    context = {name: from_json(array) for name, array in vector["model"].get("context", {}).items()}
    raw: dict[str, Any] = {
        "schema": 1, "name": "vector-1", "alias": "vector", "generation": 1, "licence": "none", "description": "",
        "family": vector["family"], "weights_sha256": "00" * 32, "graphs": {},
        "settings": dict(vector["model"]["settings"]),
    }  # fmt: skip
    for name, arrays in (("tables", tables), ("context", context)):
        if arrays:
            np.savez(place / f"{name}.npz", **arrays)
            digest = hashlib.sha256((place / f"{name}.npz").read_bytes()).hexdigest()
            raw |= {name: {"file": f"{name}.npz", "sha256": digest}, f"{name}_sha256": canonical_hash(arrays).hex()}
    if vector["family"] in ("rvq", "segment"):  # what encoders go by, and readers not
        books = raw["settings"]["num_codebooks"]
        bits = [float(n + 1) for n in range(books)]
        raw["settings"] |= {
            "algorithmic_delay": 0,
            "preroll_frames": 0,
            "bits_first_frame": bits,
            "bits_per_frame": bits,
        }
    if vector["family"] == "ecsq":
        rates = [float(quality + 1) for quality in range(64)]
        raw["settings"] |= {
            "algorithmic_delay": 0,
            "preroll_frames": 0,
            "bits_first_frame": rates,
            "bits_per_frame": rates,
        }
    (place / "model.json").write_text(json.dumps(raw))
    return read_manifest(place)


def audio_header(vector: Vector, **changes: Any) -> StreamHeader:
    """The header of an audio vector's stream."""
    stream, settings = vector["stream"] | changes, vector["model"]["settings"]
    rate, pre_skip, frame_size = (settings[name] for name in ("sample_rate", "pre_skip", "frame_size"))
    parameters = AudioParameters(rate, settings.get("channels", 1), pre_skip, frame_size)
    fields = {"extradata": bytes.fromhex(stream["extradata"])}
    return StreamHeader(0, vector["codec"], parameters, Fraction(1, parameters.sample_rate),
                        symbol_crc_size=stream["symbol_crc_size"], fields=fields)  # fmt: skip


def video_header(vector: Vector) -> StreamHeader:
    """The header of a video vector's stream."""
    stream = vector["stream"]
    right, bottom = (-stream[side] % stream["block"] for side in ("width", "height"))
    parameters = VideoParameters(stream["width"], stream["height"], RATE, (1, 1, 1, 0), right, bottom)
    return StreamHeader(0, vector["codec"], parameters, 1 / RATE, packet_duration=1, symbol_crc_size=2)


def packet_of(entry: dict[str, Any]) -> Packet:
    """A packet of a vector."""
    data, key = bytes.fromhex(entry["data"]), entry.get("keyframe", True)
    return Packet(0, entry["pts"], data, entry["duration"], is_keyframe=key)

"""What an imported model makes of samples: through its codec, packet by packet, or through a step graph of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from mediacodec.codecs.registry import CODECS
from mediacodec.manifest import Manifest
from mediacodec.session import StepGraph
from support.coding import audio_decoder, audio_encoder


def coded(model: Manifest, samples: np.ndarray, **options: Any) -> tuple[np.ndarray, np.ndarray]:
    """Codes [codebooks, frames] and audio [channels, n] of the codec; options: of the encoder."""
    family = CODECS[model.family]
    encoder = audio_encoder(model, **options)
    packets = encoder.push(samples) + encoder.flush()
    reader: Any = family.code_reader(model, encoder.header)
    decoder = audio_decoder(model, encoder.header)
    audio = [*map(decoder.push, packets), decoder.flush()]
    codes = np.concatenate([reader.read(packet) for packet in packets], axis=1)
    return codes, np.concatenate([chunk.samples for chunk in audio], axis=1)


def in_steps(
    model: Manifest, graph: str, name: str, value: np.ndarray, sizes: Iterable[int], books: int = 1 << 20
) -> np.ndarray:
    """What a graph makes of a value [rows, n] cut to these sizes and a rest; books: how many an encoder is to find."""
    step_graph = StepGraph(model.graph_path(graph), model.graph(graph), device="cpu")
    chooses = graph == "encoder" and model.settings.get("chooses_codebooks")
    wanted = {"num_codebooks": np.array([books])} if chooses else {}
    state, results, at = step_graph.initial_state(), [], 0
    for size in [*sizes, value.shape[1]]:
        if at < value.shape[1]:
            outputs, state = step_graph.step({name: value[None, :, at : at + size], **wanted}, state)
            results.append(next(iter(outputs.values()))[0])
        at += size
    return np.concatenate(results, axis=1)

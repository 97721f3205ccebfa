"""How the codes of an RVQ stream are coded: ENTROPY, the only table of it, and what extradata says of it.

Extradata: the number of codebooks (one byte), flags (one byte: bit 0, whether each packet begins with its own number of
codebooks; bit 1, whether the context model codes), and for the context model the first bytes of its hash: it may join
a shipped model later, so the stream says which one it means.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mediacodec.audio_coding.codebook_settings import CodebookSettings, CodeRates
from mediacodec.codecs.rvq.context import ContextModel
from mediacodec.codecs.rvq.context_weights import ContextWeights
from mediacodec.entropy_coding.code_tables import CodeTables, code_lengths, decode_codes, encode_codes
from mediacodec.errors import ModelError, ModelMismatchError, ParameterError
from mediacodec.frames import Codes
from mediacodec.manifest import Manifest
from mediacodec_bitstream import CorruptError

COUNTED, CONTEXT = 1, 2  # flags
HASH_BYTES = 8


class EntropyModel(Protocol):
    """Codes [codebooks, frames] of a packet to an RC24 payload and back.

    Attributes:
        rates: what codes take on average.
    """

    rates: CodeRates

    def encode(self, codes: Codes, *, max_codebooks: int | None = None) -> bytes:
        """The payload; with `max_codebooks` it begins with the number of codebooks."""
        ...

    def decode(self, payload: bytes, num_codebooks: int, num_frames: int, *, counted: bool = False) -> Codes:
        """uint16 [codebooks, num_frames]: num_codebooks, or the number the payload begins with. Raises CorruptError."""
        ...

    def lengths(self, codes: Codes) -> NDArray[np.float64]:
        """Bits that each codebook takes: the information content, [codebooks]."""
        ...


class StaticModel:
    """Static tables, chosen by one code decoded before (`rvq_symbols`)."""

    def __init__(self, tables: CodeTables, rates: CodeRates) -> None:
        self._tables, self.rates = tables, rates

    def encode(self, codes: Codes, *, max_codebooks: int | None = None) -> bytes:
        return encode_codes(codes, self._tables, max_codebooks=max_codebooks)

    def decode(self, payload: bytes, num_codebooks: int, num_frames: int, *, counted: bool = False) -> Codes:
        return decode_codes(payload, num_codebooks, num_frames, self._tables, counted=counted)

    def lengths(self, codes: Codes) -> NDArray[np.float64]:
        return code_lengths(codes, self._tables)


def open_static(model: Manifest, settings: CodebookSettings) -> EntropyModel:
    return StaticModel(settings.tables(model), settings.rates)


def open_context(model: Manifest, settings: CodebookSettings) -> EntropyModel:
    """Raises ModelError where there is no context model that fits."""
    weights = ContextWeights(model.context_arrays)
    if (weights.books, weights.size) != (settings.num_codebooks, settings.codebook_size):
        raise ModelError(f"model {model.name}: its context model is for {weights.books} codebooks of {weights.size}")
    return ContextModel(weights)


Opener = Callable[[Manifest, CodebookSettings], EntropyModel]
ENTROPY: dict[str, Opener] = {"static": open_static, "context": open_context}


def open_entropy(name: str, model: Manifest, settings: CodebookSettings) -> EntropyModel:
    """The entropy model that an encoder is asked for. Raises ParameterError, ModelError."""
    if name not in ENTROPY:
        raise ParameterError(f"entropy {name!r} is none of {', '.join(ENTROPY)}")
    if name == "context" and model.context is None:
        raise ParameterError(f"entropy 'context': model {model.name} has no context model; use 'static'")
    return ENTROPY[name](model, settings)


def write_extradata(model: Manifest, entropy: str, num_codebooks: int, *, counted: bool) -> bytes:
    """What a stream of the model carries as extradata."""
    context = entropy == "context"
    flags = (COUNTED if counted else 0) | (CONTEXT if context else 0)
    return bytes([num_codebooks, flags]) + (model.context_hash[:HASH_BYTES] if context else b"")


def read_extradata(data: object, model: Manifest) -> tuple[str, int, bool]:
    """(entropy, number of codebooks, whether packets are counted) of a stream.

    Raises CorruptError, and ModelMismatchError where the stream needs another context model than there is.
    """
    if not isinstance(data, bytes) or len(data) < 2 or data[1] > COUNTED | CONTEXT:
        raise CorruptError("extradata of an RVQ codec is missing or wrong")
    context = bool(data[1] & CONTEXT)
    if len(data) != 2 + HASH_BYTES * context:
        raise CorruptError(f"extradata of an RVQ codec is {len(data)} bytes long")
    if context and data[2:] != model.context_hash[:HASH_BYTES]:
        raise ModelMismatchError(
            f"the stream needs context model {data[2:].hex()} of {model.name}, which is not here; upgrade mediacodec"
        )
    return "context" if context else "static", data[0], bool(data[1] & COUNTED)

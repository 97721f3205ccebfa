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
        """Code a packet.

        Args:
            codes: uint16 [codebooks, frames].
            max_codebooks: where given, the payload begins with the number of codebooks.
        """
        ...

    def decode(self, payload: bytes, num_codebooks: int, num_frames: int, *, counted: bool = False) -> Codes:
        """Decode a packet.

        Args:
            payload: what `encode` gave.
            num_codebooks: how many there are or, where it is `counted`, at most are.
            num_frames: how many there are.
            counted: whether the payload begins with the number of codebooks.

        Returns:
            uint16 [codebooks, num_frames].

        Raises:
            CorruptError: the payload is none of such codes.
        """
        ...

    def lengths(self, codes: Codes) -> NDArray[np.float64]:
        """Bits that each codebook takes: the information content, [codebooks]."""
        ...


class StaticModel:
    """Static tables, chosen by one code decoded before (`entropy_coding.code_tables`).

    Args:
        tables: of the model.
        rates: what codes take on average under them.
    """

    def __init__(self, tables: CodeTables, rates: CodeRates) -> None:
        self._tables, self.rates = tables, rates

    def encode(self, codes: Codes, *, max_codebooks: int | None = None) -> bytes:
        """See `EntropyModel.encode`."""
        return encode_codes(codes, self._tables, max_codebooks=max_codebooks)

    def decode(self, payload: bytes, num_codebooks: int, num_frames: int, *, counted: bool = False) -> Codes:
        """See `EntropyModel.decode`."""
        return decode_codes(payload, num_codebooks, num_frames, self._tables, counted=counted)

    def lengths(self, codes: Codes) -> NDArray[np.float64]:
        """See `EntropyModel.lengths`."""
        return code_lengths(codes, self._tables)


def open_static(model: Manifest, settings: CodebookSettings) -> EntropyModel:
    """Open the static tables of a model; see `Opener` for the arguments."""
    return StaticModel(settings.tables(model), settings.rates)


def open_context(model: Manifest, settings: CodebookSettings) -> EntropyModel:
    """Open the context model of a model; see `Opener` for the arguments. Raises ModelError where none fits."""
    weights = ContextWeights(model.context_arrays)
    if (weights.books, weights.size) != (settings.num_codebooks, settings.codebook_size):
        raise ModelError(f"model {model.name}: its context model is for {weights.books} codebooks of {weights.size}")
    return ContextModel(weights)


Opener = Callable[[Manifest, CodebookSettings], EntropyModel]
ENTROPY: dict[str, Opener] = {"static": open_static, "context": open_context}


def open_entropy(name: str, model: Manifest, settings: CodebookSettings) -> EntropyModel:
    """The entropy model that an encoder is asked for.

    Args:
        name: key of ENTROPY.
        model: that has it.
        settings: of the model.

    Raises:
        ParameterError: there is none of that name.
        ModelError: the model's cannot be used.
    """
    if name not in ENTROPY:
        raise ParameterError(f"entropy {name!r} is none of {', '.join(ENTROPY)}")
    if name == "context" and model.context is None:
        raise ParameterError(f"entropy 'context': model {model.name} has no context model; use 'static'")
    return ENTROPY[name](model, settings)


def write_extradata(model: Manifest, entropy: str, num_codebooks: int, *, counted: bool) -> bytes:
    """What a stream of a model carries as extradata.

    Args:
        model: of the stream.
        entropy: key of ENTROPY.
        num_codebooks: how many there are at most.
        counted: whether each packet begins with its own number of codebooks.
    """
    context = entropy == "context"
    flags = (COUNTED if counted else 0) | (CONTEXT if context else 0)
    return bytes([num_codebooks, flags]) + (model.context_hash[:HASH_BYTES] if context else b"")


def read_extradata(data: object, model: Manifest) -> tuple[str, int, bool]:
    """What the extradata of a stream says.

    Args:
        data: as the header has it.
        model: of the stream.

    Returns:
        Key of ENTROPY, number of codebooks, and whether packets begin with their own number of them.

    Raises:
        CorruptError: it is none of this family.
        ModelMismatchError: the stream needs another context model than there is.
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

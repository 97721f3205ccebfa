"""The entropy coding of RVQ codes: static integer tables, chosen by a code decoded before.

Codes are coded frame by frame and, within a frame, from the first codebook up. For each codebook the model names one
context: a codebook of this frame (a lower one) or of the frame before, and a class for each of its codes. The table
of a code is the row for the class of its context. The first frame of a packet has no frame before it and then takes
the codebook's plain row, so packets decode alone. Where packets differ in their number of codebooks, that number comes
first, under a flat table.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray

from mediacodec.errors import ModelError
from mediacodec.frames import Codes
from mediacodec.manifest import Manifest
from mediacodec_bitstream import TableFamily, open_decoder, open_encoder
from mediacodec_bitstream.tables import PRECISION, TableRow


@dataclass(frozen=True)
class CodeTables:
    """The tables of a model.

    Attributes:
        frequencies: uint32 [codebooks * (1 + classes), codebook size]; row k * (1 + classes) is the plain one of
            codebook k, those behind it are by class.
        classes: uint8 [codebooks, codebook size], class of each code of the codebook that is the context of k.
        source: uint8 [codebooks], the codebook that is the context of k.
        lag: uint8 [codebooks], 1 where the context lies in the frame before, 0 in this one (then source < k).

    Raises:
        ModelError: they contradict each other.
    """

    frequencies: NDArray[np.uint32]
    classes: NDArray[np.uint8]
    source: NDArray[np.uint8]
    lag: NDArray[np.uint8]

    def __post_init__(self) -> None:
        if not self._agree():
            raise ModelError("the model's entropy tables contradict each other; reinstall it")

    def _agree(self) -> bool:
        if self.classes.ndim != 2 or not self.classes.size or self.frequencies.ndim != 2:
            return False
        books, size = self.classes.shape
        rows = self.frequencies.shape[0]
        if rows % books or self.frequencies.shape[1] != size or rows // books <= int(self.classes.max()) + 1:
            return False
        if not self.source.shape == self.lag.shape == (books,):
            return False
        # a context must be there however many codebooks a stream keeps: never one above k
        contexts = enumerate(zip(self.source.tolist(), self.lag.tolist(), strict=True))
        return all((g == 1 and 0 <= s <= k) or (g == 0 and 0 <= s < k) for k, (s, g) in contexts)

    @classmethod
    def of(cls, model: Manifest) -> CodeTables:
        """The tables of a model. Raises ModelError."""
        try:
            names = ("frequencies", "classes", "source", "lag")
            tables = cls(**{name: model.arrays[name] for name in names})
            tables.rows  # noqa: B018 - builds and checks them
        except (KeyError, ValueError, TypeError) as error:
            raise ModelError(f"model {model.name}: its entropy tables are not for an RVQ codec: {error}") from error
        return tables

    @cached_property
    def rows(self) -> list[list[TableRow]]:
        """Rows by codebook and context: 0 is the plain one, 1 + c that of class c."""
        family = TableFamily(self.frequencies)
        step = len(family) // len(self.classes)
        return [[family[k * step + i] for i in range(step)] for k in range(len(self.classes))]

    @cached_property
    def contexts(self) -> list[tuple[int, int, list[int]]]:
        """(source, lag, 1 + class of each code) by codebook."""
        classes = (self.classes.astype(int) + 1).tolist()
        return list(zip(self.source.tolist(), self.lag.tolist(), classes, strict=True))


def encode_codes(codes: Codes, tables: CodeTables, *, max_codebooks: int | None = None) -> bytes:
    """Code a packet.

    Args:
        codes: uint16 [codebooks, frames].
        tables: of the model.
        max_codebooks: where given, the payload begins with the number of codebooks, 1..max_codebooks.

    Returns:
        An RC24 payload.
    """
    encoder = open_encoder()
    if max_codebooks is not None:
        encoder.encode_one(len(codes) - 1, count_row(max_codebooks))
    rows, contexts = tables.rows, tables.contexts
    before: list[int] | None = None
    for frame in codes.T.tolist():
        for k, code in enumerate(frame):
            source, lag, classes = contexts[k]
            known = before if lag else frame
            encoder.encode_one(code, rows[k][classes[known[source]] if known else 0])
        before = frame
    return encoder.finish()


def decode_codes(
    payload: bytes, num_codebooks: int, num_frames: int, tables: CodeTables, *, counted: bool = False
) -> Codes:
    """Decode a packet: the inverse of `encode_codes`.

    Args:
        payload: RC24.
        num_codebooks: how many there are or, where it is `counted`, at most are.
        num_frames: how many there are.
        tables: of the model.
        counted: whether the payload begins with the number of codebooks.

    Returns:
        uint16 [codebooks, num_frames].

    Raises:
        CorruptError: the payload is none of such codes.
    """
    decoder = open_decoder(payload)
    count = decoder.decode_one(count_row(num_codebooks)) + 1 if counted else num_codebooks
    rows, contexts = tables.rows[:count], tables.contexts
    frames: list[list[int]] = []
    before: list[int] | None = None
    for _ in range(num_frames):
        frame: list[int] = []
        for k, table in enumerate(rows):
            source, lag, classes = contexts[k]
            known = before if lag else frame
            frame.append(decoder.decode_one(table[classes[known[source]] if known else 0]))
        frames.append(frame)
        before = frame
    decoder.finish()
    return np.array(frames, dtype=np.uint16).reshape(num_frames, count).T


@cache
def count_row(max_codebooks: int) -> TableRow:
    """The table for a number of codebooks, 1..max_codebooks, each as likely."""
    return TableFamily.uniform(max_codebooks)[0]


def code_lengths(codes: Codes, tables: CodeTables) -> NDArray[np.float64]:
    """Bits that each codebook of a packet takes: the information content.

    Args:
        codes: uint16 [codebooks, frames].
        tables: of the model.

    Returns:
        float64 [codebooks].
    """
    step = len(tables.frequencies) // len(tables.classes)
    result = np.zeros(len(codes))
    for k, book in enumerate(codes):
        source, lag = int(tables.source[k]), int(tables.lag[k])
        context = np.roll(codes[source], 1) if lag else codes[source]
        row = 1 + tables.classes[k][context].astype(np.int64)
        if lag:
            row[0] = 0
        result[k] = (PRECISION - np.log2(tables.frequencies[k * step + row, book])).sum()
    return result

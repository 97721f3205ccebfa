"""The packet of one picture: its integers to bytes and back.

Two bytes of head (flags: bit 0 inter, others 0; the quality index), then one RC24 payload: in inter pictures the motion
field; the changes of weights, the coarsest planes, and all grids from coarse to fine. Last the symbol CRC.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mediacodec.codecs.overfit.context import IntegerContext
from mediacodec.codecs.overfit.latents import Grids, Memory, exchange_grids, exchange_low
from mediacodec.codecs.overfit.settings import Geometry, OverfitModel, step_of
from mediacodec.codecs.overfit.symbols import CheckedCoder, IntegerTables
from mediacodec.codecs.overfit.synthesis import FloatPlanes, correct, to_bytes, to_floats
from mediacodec.codecs.overfit.weight_updates import Changes, changed, exchange_changes, network
from mediacodec.entropy_coding.symbol_coder import SymbolDecoder, SymbolEncoder
from mediacodec.errors import CorruptError, TruncatedError
from mediacodec.video_coding.motion.compensate import Planes, compensate
from mediacodec.video_coding.motion.vector_coding import code_motion
from mediacodec.video_coding.motion.vectors import MotionVectors
from mediacodec.video_coding.stream import CRC_SIZE
from mediacodec_bitstream import check_symbol_crc, open_decoder, open_encoder, seal, symbol_crc, unseal

HEAD = 2
INTER = 1

@dataclass
class Picture:
    """What a packet holds. quality: index of the step, 0..255; motion: quarter samples, None in a keyframe."""

    quality: int
    grids: Grids
    changes: Changes = field(default_factory=dict)
    motion: MotionVectors | None = None


@dataclass(frozen=True)
class Reference:
    """What a decoded picture leaves for the next one: padded 8-bit planes, motion, and what its latents say."""

    planes: Planes
    motion: MotionVectors
    memory: Memory


class PictureCoder:
    """Packs and unpacks pictures of one size."""

    def __init__(self, model: OverfitModel, size: Geometry) -> None:
        self.model, self.size = model, size
        self._tables = IntegerTables(model.latents)

    def pack(self, picture: Picture, before: Reference | None) -> bytes:
        """The packet's data; before: what the picture before left, for inter pictures."""
        encoder = open_encoder()
        symbols = SymbolEncoder(encoder)
        crc, memory = 0, None
        if picture.motion is not None:
            assert before is not None
            code_motion(symbols, self.model.motion, picture.motion.shape, before.motion, picture.motion)
            crc, memory = _crc_of(picture.motion), before.memory
        coder = CheckedCoder(symbols, self._tables, crc)
        kind = "key" if memory is None else "inter"
        self._exchange(coder, kind, picture.quality, picture.grids, picture.changes, memory)
        head = bytes([INTER * (picture.motion is not None), picture.quality])
        return seal(head + encoder.finish(), coder.crc, CRC_SIZE)

    def unpack(self, data: bytes, before: Reference | None) -> Picture:
        """The inverse. Raises CorruptError, TruncatedError or DesyncError; inter pictures need `before`."""
        coded, crc = unseal(data, CRC_SIZE)
        if len(coded) < HEAD:
            raise TruncatedError("a packet without a head")
        flags, quality = coded[0], coded[1]
        if flags & ~INTER:
            raise CorruptError(f"a packet has flags {flags:#x}, of which only {INTER:#x} means something")
        decoder = open_decoder(coded[HEAD:])
        symbols = SymbolDecoder(decoder, 8 * len(coded))
        motion, memory, begun = None, None, 0
        if flags:
            if before is None:
                raise CorruptError("a stream begins with a picture that adds to one before it")
            motion = code_motion(symbols, self.model.motion, before.motion.shape, before.motion, None)
            memory, begun = before.memory, _crc_of(motion)
        coder = CheckedCoder(symbols, self._tables, begun)
        grids = Grids.empty(self.size)
        changes = self._exchange(coder, "inter" if flags else "key", quality, grids, None, memory)
        decoder.finish()
        check_symbol_crc(coder.crc, crc, CRC_SIZE)
        return Picture(quality, grids, changes, motion)

    def _exchange(
        self, coder: CheckedCoder, kind: str, quality: int, grids: Grids, changes: Changes | None, memory: Memory | None
    ) -> Changes:
        given = changes is not None
        changes = exchange_changes(coder, self.model, kind, changes)
        weights = changed(self.model, changes)
        exchange_low(coder, grids, given=given)
        luma, chroma = (IntegerContext(network(weights, f"{kind}.{name}"), quality) for name in ("luma", "chroma"))
        exchange_grids(coder, grids, (luma, chroma), self.model.features, memory, given=given)
        return changes

    def predict(self, motion: MotionVectors, before: Reference) -> FloatPlanes:
        """What an inter picture adds to, around 0."""
        return to_floats(compensate(before.planes, motion))

    def reconstruct(self, picture: Picture, before: Reference | None) -> Reference:
        """The decoded picture."""
        step, planes = step_of(picture.quality), picture.grids.planes(step_of(picture.quality))
        weights, residual = changed(self.model, picture.changes), None
        kind = "key" if picture.motion is None else "inter"
        if picture.motion is not None:
            assert before is not None
            y, u, v = self.predict(picture.motion, before)
            residual = planes
            planes = y + residual[0], u + residual[1], v + residual[2]
        done = to_bytes(correct(planes, network(weights, f"{kind}.synthesis"), step, residual))
        memory = Memory.after(
            picture.grids, self.model.features, None if residual is None or before is None else before.memory
        )
        motion = picture.motion
        if motion is None:
            rows, columns = self.size.padded
            motion = np.zeros((2, rows // 8, columns // 8), np.int16)
        return Reference(done, motion, memory)


def _crc_of(motion: MotionVectors) -> int:
    return symbol_crc(motion.astype(np.int32) & 0xFFFF)

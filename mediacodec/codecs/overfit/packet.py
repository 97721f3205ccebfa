"""The packet of one frame: its integers to bytes and back.

Two bytes of head (flags: bit 0 inter, others 0; the quality index), then one RC24 payload: in inter frames the motion
vectors; the weight updates, the coarsest planes, and all grids from coarse to fine. Last the symbol CRC.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from mediacodec.codecs.overfit.context import IntegerContext
from mediacodec.codecs.overfit.latents import LatentGrids, TemporalContext, code_grids, code_lowpass
from mediacodec.codecs.overfit.settings import OverfitGeometry, OverfitModel, step_of
from mediacodec.codecs.overfit.symbols import IntegerTables, SymbolCoder, SymbolDecoder, SymbolEncoder
from mediacodec.codecs.overfit.synthesis import FloatPlanes, apply_synthesis, to_bytes, to_floats
from mediacodec.codecs.overfit.weight_updates import WeightUpdates, code_updates, subnetwork, updated_weights
from mediacodec.entropy_coding.signed_golomb import expect_crc
from mediacodec.errors import CorruptError, TruncatedError
from mediacodec.video_coding.motion.compensate import Planes, compensate
from mediacodec.video_coding.motion.vector_coding import decode_field, encode_field
from mediacodec.video_coding.stream import CRC_SIZE
from mediacodec_bitstream import open_decoder, open_encoder, seal, unseal

HEAD = 2  # bytes
INTER = 1

MotionVectors = npt.NDArray[np.int16]


@dataclass
class OverfitFrame:
    """What a packet holds.

    Attributes:
        quality: index of the quantization step, 0..255.
        grids: latents.
        updates: of weights.
        motion: vectors in quarter samples, int16 [2, rows, columns]; None in a keyframe.
    """

    quality: int
    grids: LatentGrids
    updates: WeightUpdates = field(default_factory=dict)
    motion: MotionVectors | None = None


@dataclass(frozen=True)
class ReferenceFrame:
    """What a decoded frame leaves for the next one.

    Attributes:
        planes: padded, uint8.
        motion: vectors, int16 [2, rows, columns]; zeros behind a keyframe.
        temporal: context of the next frame's latents.
    """

    planes: Planes
    motion: MotionVectors
    temporal: TemporalContext


class OverfitFrameCoder:
    """Packs, unpacks and reconstructs frames of one size.

    Args:
        model: of the stream.
        geometry: sizes of its frames.
    """

    def __init__(self, model: OverfitModel, geometry: OverfitGeometry) -> None:
        self.model, self.geometry = model, geometry
        self._tables = IntegerTables(model.latents)

    def pack(self, frame: OverfitFrame, reference: ReferenceFrame | None) -> bytes:
        """Write a packet.

        Args:
            frame: what it is to hold.
            reference: the frame before; None is possible for a keyframe.

        Returns:
            The packet's data.

        Raises:
            ParameterError: an integer is too large.
        """
        encoder = open_encoder()
        crc, temporal = 0, None
        if frame.motion is not None:
            assert reference is not None
            encode_field(encoder, frame.motion, reference.motion, self.model.motion)
            crc, temporal = _motion_crc(frame.motion), reference.temporal
        coder = SymbolEncoder(encoder, self._tables, crc)
        kind = "key" if temporal is None else "inter"
        self._code(coder, kind, frame.quality, frame.grids, frame.updates, temporal)
        head = bytes([INTER * (frame.motion is not None), frame.quality])
        return seal(head + encoder.finish(), coder.crc, CRC_SIZE)

    def unpack(self, data: bytes, reference: ReferenceFrame | None) -> OverfitFrame:
        """Read a packet; the inverse of `pack`.

        Args:
            data: of the packet.
            reference: the frame before; None where there is none.

        Returns:
            What it holds.

        Raises:
            CorruptError: no encoder writes such a packet, or the reference is missing.
            TruncatedError: it ends too early.
            DesyncError: its integers are not those that were encoded.
        """
        coded, crc = unseal(data, CRC_SIZE)
        if len(coded) < HEAD:
            raise TruncatedError("a packet without a head")
        flags, quality = coded[0], coded[1]
        if flags & ~INTER:
            raise CorruptError(f"a packet has flags {flags:#x}, of which only {INTER:#x} means something")
        decoder = open_decoder(coded[HEAD:])
        motion, temporal, motion_crc = None, None, 0
        if flags:
            if reference is None:
                raise CorruptError("a stream begins with a frame that is predicted from one before it")
            motion = decode_field(decoder, reference.motion.shape, reference.motion, self.model.motion)
            temporal, motion_crc = reference.temporal, _motion_crc(motion)
        coder = SymbolDecoder(decoder, self._tables, 8 * len(coded), motion_crc)
        grids = LatentGrids.zeros(self.geometry)
        updates = self._code(coder, "inter" if flags else "key", quality, grids, None, temporal)
        decoder.finish()
        expect_crc(coder.crc, crc, CRC_SIZE)
        return OverfitFrame(quality, grids, updates, motion)

    def _code(
        self,
        coder: SymbolCoder,
        kind: str,
        quality: int,
        grids: LatentGrids,
        updates: WeightUpdates | None,
        temporal: TemporalContext | None,
    ) -> WeightUpdates:
        """Code all but the motion; updates: None for a decoder, which fills the grids. Returns the updates."""
        encode = updates is not None
        updates = code_updates(coder, self.model, kind, updates)
        weights = updated_weights(self.model, updates)
        code_lowpass(coder, grids, encode=encode)
        luma, chroma = (IntegerContext(subnetwork(weights, f"{kind}.{name}"), quality) for name in ("luma", "chroma"))
        code_grids(coder, grids, (luma, chroma), self.model.features, temporal, encode=encode)
        return updates

    def predict(self, motion: MotionVectors, reference: ReferenceFrame) -> FloatPlanes:
        """Compute the prediction of an inter frame, planes around 0."""
        return to_floats(compensate(reference.planes, motion))

    def reconstruct(self, frame: OverfitFrame, reference: ReferenceFrame | None) -> ReferenceFrame:
        """Decode a frame.

        Args:
            frame: what its packet holds.
            reference: the frame before; None is possible for a keyframe.

        Returns:
            The decoded frame, as a reference of the next.
        """
        step, planes = step_of(frame.quality), frame.grids.planes(step_of(frame.quality))
        weights, residual = updated_weights(self.model, frame.updates), None
        kind = "key" if frame.motion is None else "inter"
        if frame.motion is not None:
            assert reference is not None
            y, u, v = self.predict(frame.motion, reference)
            residual = planes
            planes = y + residual[0], u + residual[1], v + residual[2]
        decoded = to_bytes(apply_synthesis(planes, subnetwork(weights, f"{kind}.synthesis"), step, residual))
        earlier = None if residual is None or reference is None else reference.temporal
        temporal = TemporalContext.after(frame.grids, self.model.features, earlier)
        motion = frame.motion
        if motion is None:
            rows, columns = self.geometry.padded
            motion = np.zeros((2, rows // 8, columns // 8), np.int16)
        return ReferenceFrame(decoded, motion, temporal)


def _motion_crc(motion: MotionVectors) -> int:
    return zlib.crc32(np.ascontiguousarray(motion, "<i2").data)

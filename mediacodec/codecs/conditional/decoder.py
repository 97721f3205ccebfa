"""The decoder of the conditional codec: packets to frames, one by one."""

from __future__ import annotations

from dataclasses import dataclass

from mediacodec.codecs.conditional.coefficient_order import CoefficientOrder
from mediacodec.codecs.conditional.conditioning import Floats, Reconstruction
from mediacodec.codecs.conditional.entropy_state import EntropyState
from mediacodec.codecs.conditional.frame_syntax import INTER
from mediacodec.codecs.conditional.frame_walk import FrameWalk
from mediacodec.codecs.conditional.networks import Networks
from mediacodec.codecs.conditional.packet import ParsedFrame, parse_frame, prepare, reconstruct
from mediacodec.codecs.conditional.settings import ConditionalSettings, FrameGeometry
from mediacodec.codecs.conditional.tables import ConditionalTables
from mediacodec.codecs.options import DEFAULT_RUNTIME, Runtime
from mediacodec.frames import VideoFrame
from mediacodec.manifest import Manifest
from mediacodec.video_coding.concealment import RepeatingDecoder, is_inter
from mediacodec.video_coding.motion.compensate import Planes
from mediacodec.video_coding.stream import check_header
from mediacodec_bitstream import Packet, StreamHeader


@dataclass(eq=False)
class _Pending:
    """A packet that was read and whose frame is still to be computed; conditional_mean: once `prepare` ran."""

    parsed: ParsedFrame
    pts: int
    conditional_mean: Floats | None = None
    ready: bool = False

    def prepare(self, before: Reconstruction | None, networks: Networks) -> None:
        if not self.ready:
            self.conditional_mean = prepare(self.parsed, before, networks)
            self.ready = True


class ConditionalDecoder(RepeatingDecoder):
    """Decodes packets to frames; see `mediacodec.codecs.base.VideoDecoderBackend`.

    With one thread every packet gives its frame at once. With more, packets are read while the frame before them is
    computed, and frames come one packet later. After a loss or damage the last good frame is repeated, with the time
    stamps of what arrives, until a keyframe comes; before the first keyframe there is nothing to present.

    Args:
        model: that the stream names.
        header: of the stream.
        runtime: what to run on; what chooses tables always runs on the CPU, and two threads at most are used.

    Raises:
        CorruptError: the header is none of this codec's.
        ModelError: the model is damaged.
        DeviceError: the device is not there.
    """

    def __init__(self, model: Manifest, header: StreamHeader, runtime: Runtime = DEFAULT_RUNTIME) -> None:
        settings = ConditionalSettings(model)
        super().__init__(header, check_header(header, model, settings.block))
        geometry = FrameGeometry(self._parameters.width, self._parameters.height, settings.block)
        self._walk = FrameWalk(ConditionalTables(model, settings), CoefficientOrder(settings, geometry))
        self._networks = Networks(model, settings, geometry, runtime, analyse=False)
        self._late = self._networks.worker.parallel
        self._pending: _Pending | None = None
        self._entropy: EntropyState | None = None  # of the last packet that was read
        self._last: Reconstruction | None = None  # the last frame that was computed
        self._lost = True  # no inter frame can be decoded until a keyframe comes

    @property
    def _planes(self) -> Planes | None:
        return None if self._last is None else self._last.planes

    def push(self, packet: Packet | None) -> list[VideoFrame]:
        """Decode or conceal one packet.

        Args:
            packet: None for one that was lost.

        Returns:
            The frames that are ready.

        Raises:
            BitstreamError: the packet is damaged; the decoder then waits for a keyframe.
        """
        if packet is None:
            self._lost = True
            return [*self.flush(), *self._repeated(None)]
        try:
            inter = is_inter(packet, INTER)
            self._lost = self._lost or (inter and packet.discontinuity)
            if inter and self._lost:
                return [*self.flush(), *self._repeated(packet.pts)]
            parsed = self._parse(packet)
            frames = self.flush()
            self._entropy, self._lost = parsed.entropy, False
            self._pending = _Pending(parsed, packet.pts)
            return frames if self._late else self.flush()
        except BaseException:  # also what is no fault of the packet's: the next one is predicted from this frame
            self._lost = True
            raise

    def flush(self) -> list[VideoFrame]:
        """The frame of the last packet, where it was not presented yet."""
        pending, self._pending = self._pending, None
        if pending is None:
            return []
        try:
            pending.prepare(self._last, self._networks)
            self._last = reconstruct(pending.parsed, self._last, pending.conditional_mean, self._networks)
        except BaseException:
            self._lost = True
            raise
        return self._presented(pending.pts)

    def _parse(self, packet: Packet) -> ParsedFrame:
        """Read a packet while the frame before it is got ready."""
        pending = self._pending
        if pending is None:
            return parse_frame(packet.data, self._entropy, self._walk, self._networks)
        prepared = self._networks.worker.start(lambda: pending.prepare(self._last, self._networks))
        try:
            parsed = parse_frame(packet.data, self._entropy, self._walk, self._networks)
        except BaseException:
            prepared.exception()  # only wait; `flush` meets it again
            raise
        prepared.result()
        return parsed

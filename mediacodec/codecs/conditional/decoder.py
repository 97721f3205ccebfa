"""The decoder of the `live` family: packets to pictures, one by one."""

from __future__ import annotations

from dataclasses import dataclass

from mediacodec.codecs.conditional.packet import INTER, Read, picture, prepare, unpack_picture
from mediacodec.codecs.conditional.reconstructor import Floats, Reconstructor, Shown, Trail
from mediacodec.codecs.conditional.settings import MOST_THREADS, Geometry, LiveSettings
from mediacodec.codecs.conditional.symbols import LiveTables
from mediacodec.codecs.options import DEFAULT_RUNTIME, Runtime
from mediacodec.frames import VideoFrame
from mediacodec.manifest import Manifest
from mediacodec.video_coding.concealment import RepeatingDecoder, is_inter
from mediacodec.video_coding.motion.compensate import Planes
from mediacodec.video_coding.stream import check_header
from mediacodec_bitstream import Packet, StreamHeader


@dataclass(eq=False)
class _Waiting:
    """A packet that was read and whose picture is still to be computed; shift: once `prepare` ran."""

    read: Read
    pts: int
    shift: Floats | None = None
    ready: bool = False

    def prepare(self, before: Shown | None, shared: Reconstructor) -> None:
        if not self.ready:
            self.shift = prepare(self.read, before, shared)
            self.ready = True


class LiveDecoder(RepeatingDecoder):
    """Decodes packets to pictures; see `mediacodec.codecs.base.VideoDecoderBackend`.

    With one thread every packet gives its picture at once. With more, packets are read while the picture before them is
    computed, and pictures come one packet later. After a loss or damage the last good picture is shown again, with the
    time stamps of what arrives, until a keyframe comes; before the first keyframe there is nothing to show.
    """

    def __init__(self, model: Manifest, header: StreamHeader, runtime: Runtime = DEFAULT_RUNTIME) -> None:
        settings = LiveSettings(model)
        super().__init__(header, check_header(header, model, settings.block))
        self._tables = LiveTables(model, settings)
        self._geometry = Geometry(self._parameters.width, self._parameters.height, settings.block)
        device, threads = runtime.device, runtime.threads_for(MOST_THREADS)
        self._shared = Reconstructor(model, settings, self._geometry, device=device, threads=threads, analyse=False)
        self._late = self._shared.parallel
        self._waiting: _Waiting | None = None
        self._trail: Trail | None = None  # of the last packet that was read
        self._last: Shown | None = None  # of the last picture that was computed
        self._lost = True  # no inter picture can be decoded until a keyframe comes

    @property
    def _planes(self) -> Planes | None:
        return None if self._last is None else self._last.planes

    def push(self, packet: Packet | None) -> list[VideoFrame]:
        """Decode or conceal one packet. Raises BitstreamError kinds only, and then waits for a keyframe."""
        if packet is None:
            self._lost = True
            return [*self.flush(), *self._repeated(None)]
        try:
            inter = is_inter(packet, INTER)
            self._lost = self._lost or (inter and packet.discontinuity)
            if inter and self._lost:
                return [*self.flush(), *self._repeated(packet.pts)]
            read = self._read(packet)
            frames = self.flush()
            self._trail, self._lost = read.trail, False
            self._waiting = _Waiting(read, packet.pts)
            return frames if self._late else self.flush()
        except BaseException:  # also what is no fault of the packet's: the next one is predicted from this picture
            self._lost = True
            raise

    def flush(self) -> list[VideoFrame]:
        """The picture of the last packet, where it was not shown yet."""
        waiting, self._waiting = self._waiting, None
        if waiting is None:
            return []
        try:
            waiting.prepare(self._last, self._shared)
            self._last = picture(waiting.read, self._last, waiting.shift, self._shared)
        except BaseException:
            self._lost = True
            raise
        return self._shown(waiting.pts)

    def _read(self, packet: Packet) -> Read:
        """Read a packet while the picture before it is got ready."""
        waiting = self._waiting
        if waiting is None:
            return unpack_picture(packet.data, self._trail, self._tables, self._shared)
        prepared = self._shared.beside(lambda: waiting.prepare(self._last, self._shared))
        try:
            read = unpack_picture(packet.data, self._trail, self._tables, self._shared)
        except BaseException:
            prepared.exception()  # only wait; `flush` meets it again
            raise
        prepared.result()
        return read

"""The packet of one frame: its head byte, one RC24 payload (`frame_walk` has its syntax), and the symbol CRC."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mediacodec.codecs.conditional.conditioning import (
    Conditioning,
    Floats,
    Reconstruction,
    empty_memory,
    skipped_reconstruction,
)
from mediacodec.codecs.conditional.entropy_state import EntropyState, Memory
from mediacodec.codecs.conditional.frame_syntax import FrameHead, FrameSyntax, HyperLatent, ScaleIndex, Symbols
from mediacodec.codecs.conditional.frame_walk import FrameWalk, KnownScales
from mediacodec.codecs.conditional.networks import Kind, Networks, PriorOutput
from mediacodec.entropy_coding.symbol_coder import SymbolDecoder, SymbolEncoder
from mediacodec.errors import TruncatedError
from mediacodec.video_coding.stream import CRC_SIZE
from mediacodec_bitstream import check_symbol_crc, open_decoder, open_encoder, seal, unseal


def pack_frame(syntax: FrameSyntax, previous: EntropyState | None, walk: FrameWalk) -> bytes:
    """The data of a frame's packet.

    Args:
        syntax: of the frame.
        previous: what the frame before left; inter frames need it.
        walk: of the stream.
    """
    encoder = open_encoder()
    walk.code(SymbolEncoder(encoder), syntax.head, previous, KnownScales(syntax), syntax)
    return seal(bytes([syntax.head.pack()]) + encoder.finish(), syntax.crc(walk.tables.settings), CRC_SIZE)


@dataclass(frozen=True, eq=False)
class ParsedFrame:
    """A packet that was read and found to be valid.

    Attributes:
        syntax: of the frame.
        entropy: the state that it leaves.
        conditioning: of the frame.
        first_symbols: of the first pass, float32 [1, coefficients, h, w]; None where every block is skipped.
        symbols: of both passes, likewise.
    """

    syntax: FrameSyntax
    entropy: EntropyState
    conditioning: Conditioning
    first_symbols: Floats | None = None
    symbols: Floats | None = None


def parse_frame(data: bytes, previous: EntropyState | None, walk: FrameWalk, networks: Networks) -> ParsedFrame:
    """The syntax of a frame, checked against the CRC of its packet.

    Args:
        data: of the packet.
        previous: what the frame before left; inter frames need it.
        walk: of the stream.
        networks: of the model, for the prior.

    Raises:
        TruncatedError: there is no head.
        CorruptError: it cannot be what `pack_frame` wrote.
        DesyncError: the symbols are not those that were encoded.
    """
    coded, crc = unseal(data, CRC_SIZE)
    if not coded:
        raise TruncatedError("a packet without a head")
    head = FrameHead.unpack(coded[0])
    settings, geometry = walk.tables.settings, walk.order.geometry
    if head.inter:
        assert previous is not None
        memory = previous.memory
    else:
        memory = empty_memory(settings, geometry)
    scales = _PriorScales(networks, "inter" if head.inter else "key", memory, head.quality)
    decoder = open_decoder(coded[1:])
    syntax = walk.code(SymbolDecoder(decoder, 8 * len(coded)), head, previous, scales, None)
    decoder.finish()
    check_symbol_crc(syntax.crc(settings), crc, CRC_SIZE)
    if head.inter:
        assert previous is not None
        conditioning = Conditioning.for_inter(head.quality, syntax.aq_offsets, previous)
    else:
        conditioning = Conditioning.for_keyframe(head.quality, syntax.aq_offsets, settings, geometry)
    if syntax.symbols is None:
        return ParsedFrame(syntax, EntropyState.after(syntax, memory, previous, settings, geometry), conditioning)
    symbols = syntax.symbols.astype(np.float32)
    entropy = EntropyState.after(syntax, scales.update_memory(symbols), previous, settings, geometry)
    return ParsedFrame(syntax, entropy, conditioning, scales.first_symbols, symbols)


class _PriorScales:
    """Scale indices as the prior computes them from what was read so far."""

    def __init__(self, networks: Networks, kind: Kind, memory: Memory, quality: int) -> None:
        self._networks, self._kind, self._memory = networks, kind, memory
        self._quality = np.array([quality], np.int64)
        self._prior: PriorOutput | None = None
        self.first_symbols: Floats | None = None

    def first(self, hyper: HyperLatent) -> ScaleIndex:
        self._prior = self._networks.prior(self._kind, hyper, self._memory, self._quality)
        return self._prior.scale_index

    def second(self, symbols: Symbols) -> ScaleIndex:
        assert self._prior is not None
        self.first_symbols = symbols.astype(np.float32)
        return self._networks.prior_second(self._kind, self._prior, self.first_symbols, self._quality)

    def update_memory(self, symbols: Floats) -> Memory:
        assert self._prior is not None
        return self._networks.update_memory(self._kind, self._prior, symbols, self._quality)


def prepare(parsed: ParsedFrame, before: Reconstruction | None, networks: Networks) -> Floats | None:
    """Run what comes before synthesis: prediction, context, and the conditional mean of the second pass.

    Args:
        parsed: whose conditioning is completed.
        before: the last frame, None for a keyframe.
        networks: of the model.

    Returns:
        The conditional mean, None where every block is skipped.
    """
    syntax, conditioning = parsed.syntax, parsed.conditioning
    if syntax.motion is not None:
        assert before is not None
        conditioning.predict(before.planes, syntax.motion, syntax.filter_id)
        if parsed.first_symbols is not None:
            networks.extract_context(conditioning, before.features, refresh=syntax.head.refresh)
    return None if parsed.first_symbols is None else networks.conditional_mean(conditioning, parsed.first_symbols)


def reconstruct(
    parsed: ParsedFrame, before: Reconstruction | None, conditional_mean: Floats | None, networks: Networks
) -> Reconstruction:
    """The frame of a packet.

    Args:
        parsed: after `prepare`.
        before: the last frame, None for a keyframe.
        conditional_mean: what `prepare` returned.
        networks: of the model.
    """
    if parsed.symbols is None or conditional_mean is None:
        assert before is not None
        return skipped_reconstruction(parsed.conditioning, before.features, refresh=parsed.syntax.head.refresh)
    return networks.synthesise(parsed.conditioning, parsed.symbols, conditional_mean, parsed.syntax.skip)

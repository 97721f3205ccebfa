"""One walk over a frame's syntax serves encoder, decoder and counter; and its CRC."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from fractions import Fraction

import numpy as np
import pytest
from support.coding import video_encoder

from mediacodec.codecs.conditional.candidates import CodedFrame
from mediacodec.codecs.conditional.conditioning import ConditionalState
from mediacodec.codecs.conditional.encoder import ConditionalEncoder
from mediacodec.codecs.conditional.entropy_state import EntropyState
from mediacodec.codecs.conditional.frame_syntax import FrameHead, FrameSyntax
from mediacodec.codecs.conditional.frame_walk import FrameWalk, KnownScales
from mediacodec.codecs.conditional.packet import pack_frame, parse_frame
from mediacodec.entropy_coding.symbol_coder import SymbolCounter
from mediacodec.errors import CorruptError, DesyncError
from mediacodec.frames import VideoFrame
from mediacodec.video_coding.motion.compensate import Planes
from mediacodec_bitstream import symbol_crc

WIDTH, HEIGHT = 67, 45
CodedStream = tuple[ConditionalEncoder, list[tuple[EntropyState | None, FrameSyntax]]]


@pytest.fixture(scope="module")
def coded(make_frames: Callable[..., list[VideoFrame]]) -> CodedStream:
    """An encoder, and of four frames, the last of them skipped whole, the state before and the syntax."""
    frames = make_frames(4, WIDTH, HEIGHT)
    last = frames[2]
    frames[3] = VideoFrame(last.y, last.u, last.v, 3, last.time_base)
    encoder = video_encoder("conditional", width=WIDTH, height=HEIGHT, frame_rate=Fraction(25), crf=22)
    assert isinstance(encoder, ConditionalEncoder)
    found, real = [], encoder._coder.accept

    def accept(planes: Planes, frame: CodedFrame, state: ConditionalState | None) -> ConditionalState:
        found.append((None if state is None else state.entropy, frame.syntax))
        return real(planes, frame, state)

    encoder._coder.accept = accept  # type: ignore[method-assign]
    for frame in frames:
        encoder.push(frame)
    assert [syntax.symbols is None for _, syntax in found] == [False, False, False, True]
    return encoder, found


def walk_of(encoder: ConditionalEncoder) -> FrameWalk:
    return encoder._coder._walk


def same(one: FrameSyntax, other: FrameSyntax) -> bool:
    pairs = [(getattr(one, f.name), getattr(other, f.name)) for f in fields(FrameSyntax)]
    return all(a is b is None or np.array_equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("index", range(4))
def test_a_decoder_finds_the_syntax_that_was_written(coded: CodedStream, index: int) -> None:
    encoder, frames = coded
    previous, syntax = frames[index]
    data = pack_frame(syntax, previous, walk_of(encoder))
    parsed = parse_frame(data, previous, walk_of(encoder), encoder._coder._networks)
    assert same(parsed.syntax, syntax)
    position = 0 if previous is None else previous.position + 1
    assert parsed.entropy.position == position


@pytest.mark.parametrize("index", range(4))
def test_a_counter_prices_a_packet_without_writing_it(coded: CodedStream, index: int) -> None:
    encoder, frames = coded
    previous, syntax = frames[index]
    walk, counter = walk_of(encoder), SymbolCounter()
    walk.code(counter, syntax.head, previous, KnownScales(syntax), syntax)
    payload = len(pack_frame(syntax, previous, walk)) - 3  # the head and the CRC
    assert -8 < 8 * payload - counter.bits < 48
    assert (counter.counts(walk.tables.motion).sum() > 0) == syntax.head.inter
    assert (counter.counts(walk.tables.coefficients.family).sum() > 0) == (syntax.symbols is not None)


def test_the_crc_is_over_every_element(coded: CodedStream) -> None:
    encoder, frames = coded
    settings = walk_of(encoder).tables.settings
    _, syntax = frames[1]
    assert syntax.motion is not None
    assert syntax.skip is not None
    assert syntax.hyper is not None
    assert syntax.symbols is not None
    assert syntax.scale_index is not None
    parts = [
        syntax.motion.astype(int) + 512,
        syntax.skip.astype(int),
        syntax.aq_offsets.astype(int) + 8,
        syntax.hyper.astype(int) + settings.hyper_limit,
        syntax.symbols.astype(int) + 32768,
        syntax.scale_index.astype(int),
    ]
    assert syntax.crc(settings) == symbol_crc(np.concatenate([part.ravel() for part in parts]))


def test_a_wrong_symbol_is_noticed(coded: CodedStream) -> None:
    encoder, frames = coded
    _, syntax = frames[0]
    data = bytearray(pack_frame(syntax, None, walk_of(encoder)))
    data[-1] ^= 1
    with pytest.raises(DesyncError):
        parse_frame(bytes(data), None, walk_of(encoder), encoder._coder._networks)


def test_a_head_is_one_byte() -> None:
    for head in (FrameHead(0, False), FrameHead(63, True), FrameHead(17, True, True)):
        assert FrameHead.unpack(head.pack()) == head
    with pytest.raises(CorruptError, match="refresh"):
        FrameHead.unpack(0x80)

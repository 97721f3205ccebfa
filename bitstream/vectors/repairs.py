"""Parity after losses of every kind: what a reader that repairs has to bring back, and what not (SPEC section 3.6)."""

from __future__ import annotations

from itertools import pairwise

from good import SECOND, Vector, audio, chunk_starts, file_of, seconds

from mediacodec_bitstream import FileHeader
from mediacodec_bitstream.chunk import PARITY, Head, pack_chunk

STREAM = audio(fields={"parity": 4})


def chunks(count: int) -> tuple[bytes, list[bytes]]:
    """Header and chunks of `count` seconds, a parity chunk after each four and behind the last."""
    data = file_of(FileHeader((STREAM,)), seconds(STREAM, count), index=False)
    starts = chunk_starts(data)
    return data[: starts[0]], [data[a:b] for a, b in pairwise(starts)]


def without(count: int, *lost: int) -> bytes:
    """A file of `count` seconds from which some chunks are gone; 4 and 9 are parity chunks."""
    header, parts = chunks(count)
    return header + b"".join(part for i, part in enumerate(parts) if i not in lost)


def repeated() -> bytes:
    """Chunks 0 and 1 come twice, chunk 2 never, chunk 3 twice."""
    header, parts = chunks(4)
    return header + b"".join(parts[i] for i in (0, 1, 0, 1, 3, 3, 4, 5))


def changed(at: int, mask: int) -> bytes:
    """The first parity chunk with a wrong byte and checksums that hold; chunk 1 is missing."""
    header, parts = chunks(6)
    payload = bytearray(parts[4][20:-4])
    payload[at] ^= mask
    parts[4] = pack_chunk(Head(PARITY, 0, 0, 0, 0, 0, 4 * SECOND), bytes(payload))
    return header + b"".join(part for i, part in enumerate(parts) if i != 1)


def vectors() -> dict[str, Vector]:
    """All vectors of repairs, by group and name."""
    return {
        "faulty/parity-after-burst": Vector(
            without(6, 2, 3, 6),
            "a group lost two at its end, the next one in the middle: that one is repaired",
            "waits for what is lost for good, and repairs nothing any more",
        ),
        "faulty/parity-lost-too": Vector(
            without(10, 2, 3, 4, 6),
            "a group lost its end and its parity chunk; the loss in the next one is repaired",
            "takes the first chunk behind the burst for the one before the loss",
        ),
        "faulty/parity-two-lost": Vector(
            without(6, 1, 2),
            "two chunks of one group are missing: neither comes back, and the rest is held no longer than their parity",
            "rebuilds noise from the XOR of two records",
        ),
        "faulty/parity-repeats": Vector(
            repeated(),
            "chunks that come twice around a loss: it is repaired all the same",
            "lets repeats push out of memory what the repair needs, or repairs them",
        ),
        "faulty/parity-wrong": Vector(
            changed(30, 0x40),
            "parity whose own checksums hold and that does not fit its group",
            "delivers a chunk whose CRC-32 does not hold",
        ),
        "faulty/parity-of-17": Vector(
            changed(0, 0x15),
            "parity that says it covers 17 chunks: it is ignored, and four chunks are held at most",
            "looks for 17 chunks, or holds back what came for ever",
        ),
    }

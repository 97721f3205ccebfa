"""Seeded damage to .mcx files, with or without checksums made right again."""

from __future__ import annotations

import binascii
import random
import zlib


def flip(data: bytearray, rng: random.Random, _: list[bytes]) -> None:
    for _i in range(rng.choice((1, 1, 2, 8))):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def overwrite(data: bytearray, rng: random.Random, _: list[bytes]) -> None:
    at = rng.randrange(len(data))
    size = rng.choice((1, 2, 4, 16))
    data[at : at + size] = bytes([rng.choice((0, 0xFF, 0x7F, 0x80))]) * size


def truncate(data: bytearray, rng: random.Random, _: list[bytes]) -> None:
    del data[rng.randrange(len(data)) :]


def delete(data: bytearray, rng: random.Random, _: list[bytes]) -> None:
    at = rng.randrange(len(data))
    del data[at : at + rng.randrange(1, 64)]


def splice(data: bytearray, rng: random.Random, files: list[bytes]) -> None:
    other = rng.choice(files)
    start = rng.randrange(len(other))
    at = rng.randrange(len(data))
    data[at : at + rng.choice((0, 50))] = other[start : start + rng.randrange(1, 400)]


def forge(data: bytearray, rng: random.Random, _: list[bytes]) -> None:
    """Sizes, counts, durations and time stamps of a chunk's head, or the header's length."""
    heads = heads_of(data)
    if not heads or rng.random() < 0.1:
        data[12:16] = rng.choice((0, 20, 65_536, 0xFFFFFFFF, rng.randrange(400))).to_bytes(4, "little")
        return
    at = rng.choice(heads)
    start, size = rng.choice(((2, 1), (3, 1), (4, 1), (5, 2), (7, 3), (10, 5), (15, 3), (20, 1)))
    value = rng.choice((0, 1, (1 << 8 * size) - 1, rng.randrange(1 << 8 * size)))
    data[at + start : at + start + size] = value.to_bytes(size, "little")


MUTATIONS = (flip, overwrite, truncate, delete, splice, forge)


def heads_of(data: bytes | bytearray) -> list[int]:
    """Offsets of sync words."""
    found, at = [], data.find(b"\xf5\x4e")
    while at >= 0:
        found.append(at)
        at = data.find(b"\xf5\x4e", at + 2)
    return found


def reseal(data: bytearray) -> None:
    """Make every checksum right that a reader will check: the header's, and each chunk's two."""
    size = int.from_bytes(data[12:16], "little")
    position = 0
    if data[:8] == b"\x89MCX\r\n\x1a\n" and 24 <= size <= len(data):
        data[size - 4 : size] = zlib.crc32(data[: size - 4]).to_bytes(4, "little")
        position = size
    while (position := data.find(b"\xf5\x4e", position)) >= 0:
        if position + 24 > len(data):
            return
        data[position + 18 : position + 20] = binascii.crc_hqx(data[position : position + 18], 0xFFFF).to_bytes(
            2, "little"
        )
        end = position + 20 + int.from_bytes(data[position + 7 : position + 10], "little")
        if end + 4 > len(data):
            position += 2
            continue
        body = bytes(data[position + 20 : end])
        data[end : end + 4] = zlib.crc32(body).to_bytes(4, "little")
        position = end + 4


def mutated(number: int, files: list[bytes], *, resealed: bool) -> bytes:
    """One of the files with one or two mutations.

    Args:
        number: the seed.
        files: to choose from.
        resealed: whether every checksum of the container is made right again.
    """
    rng = random.Random(number)
    data = bytearray(rng.choice(files))
    for _ in range(rng.choice((1, 1, 2))):
        if data:
            rng.choice(MUTATIONS)(data, rng, files)
    if resealed:
        reseal(data)
    return bytes(data)

"""Where the sound of a lossy file really ends, in the cases that FFmpeg leaves to its caller.

Encoders add samples in front (priming) and fill up their last frame (padding). FFmpeg drops the priming of every format
that tells it, and the padding of Ogg, Matroska and MP3 files; it keeps the padding of MP4, and of MP3 from a pipe.
"""

from __future__ import annotations

import re
from collections.abc import Mapping


def itunes_length(metadata: Mapping[str, str]) -> int | None:
    """Samples of sound according to Apple's iTunSMPB tag: four hexadecimal numbers, the last is the length."""
    match = re.match(r"\s*0+\s+[0-9A-Fa-f]{8}\s+[0-9A-Fa-f]{8}\s+([0-9A-Fa-f]{16})", metadata.get("iTunSMPB", ""))
    return int(match.group(1), 16) if match else None


def mp3_length(head: bytes) -> int | None:
    """Samples of sound according to the LAME tag in the first frame of an MP3 file, or None without one.

    Args:
        head: the first bytes of the file, an ID3v2 tag included.
    """
    start = 0
    if head[:3] == b"ID3" and len(head) >= 10:
        start = 10 + (head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9])
    frame = head[start : start + 200]
    if len(frame) < 200 or frame[0] != 0xFF or frame[1] & 0xE0 != 0xE0:
        return None
    mpeg1, mono = frame[1] >> 3 & 3 == 3, frame[3] >> 6 == 3
    tag = frame[4 + ((17 if mono else 32) if mpeg1 else (9 if mono else 17)) :]
    if tag[:4] not in (b"Xing", b"Info") or not tag[7] & 1:  # flag 1: the number of frames is given
        return None
    # The tag is as long as its flags say; LAME always sets all four (frames, bytes, table of contents, quality).
    if tag[7] & 0x0F != 0x0F or tag[120:124] not in (b"LAME", b"Lavf", b"Lavc"):
        return None
    frames = int.from_bytes(tag[8:12], "big")
    delay, padding = tag[141] << 4 | tag[142] >> 4, (tag[142] & 0x0F) << 8 | tag[143]
    length = frames * (1152 if mpeg1 else 576) - delay - padding
    return length if frames > 0 and length > 0 else None

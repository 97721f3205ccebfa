"""Quality levels by a frame's position in its group of pictures (GOP)."""

from __future__ import annotations

from mediacodec.codecs.options import MAX_CRF

MAX_QUALITY = MAX_CRF  # quality levels are 0..MAX_QUALITY, 0 the best
GOP_SECONDS = 2.0  # from keyframe to keyframe at most, where nobody says otherwise
KEYFRAME_OFFSET = -11  # quality levels that keyframes add to what is asked for
CASCADE = (-4, 4, 3, 4, 0, 4, 3, 4)  # what inter frames add, by their distance from the keyframe


def quality_offset(position: int) -> int:
    """What a frame adds to the stream's quality level (quality cascading).

    A keyframe is better, since all that follows is predicted from it; of the others every second, fourth and eighth.
    Chosen on development clips.

    Args:
        position: frames since the keyframe; 0 is the keyframe.
    """
    return KEYFRAME_OFFSET if position == 0 else CASCADE[position % len(CASCADE)]


def level_at(base: int, position: int) -> int:
    """The quality level of a frame, 0..63.

    Args:
        base: of the stream.
        position: frames since the keyframe; 0 is the keyframe.
    """
    return min(max(base + quality_offset(position), 0), MAX_QUALITY)

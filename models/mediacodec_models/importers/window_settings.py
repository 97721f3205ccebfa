"""What a model of the family `window` says of its windows."""

from __future__ import annotations

from typing import Any

WINDOW_SECONDS = 2.0  # without context: at full size DAC then stays under 1 GB, and context costs a tenth of the time


def window_settings(*, sample_rate: int, frame_size: int, context_frames: int) -> dict[str, Any]:
    """Settings of a mono codec whose frames depend on `context_frames` on each side of them."""
    window = max(round(WINDOW_SECONDS * sample_rate / frame_size), 2 * context_frames, 1)
    return {
        "sample_rate": sample_rate,
        "channels": 1,
        "frame_size": frame_size,
        "pre_skip": 0,
        "algorithmic_delay": 2 * (window + context_frames) * frame_size,
        "preroll_frames": context_frames,
        "context_frames": context_frames,
        "window_frames": window,
    }

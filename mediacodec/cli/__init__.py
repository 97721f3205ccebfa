"""The command line: one verb a file; VERBS, in `app`, is the only table of them.

stdout carries media or results, stderr everything else. Nothing heavy (ONNX Runtime, FFmpeg, libsndfile) is imported
before a verb runs that needs it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns the exit code. A Ctrl-C while it loads ends it as any other does."""
    try:
        from mediacodec.cli.app import main as run
    except KeyboardInterrupt:
        sys.stderr.write("mediacodec: error: interrupted\n")
        return 130
    return run(argv)

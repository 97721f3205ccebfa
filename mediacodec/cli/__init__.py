"""The command line: one verb a file; VERBS, in `app`, is the only table of them.

stdout carries media or results, stderr everything else. Nothing heavy (ONNX Runtime, FFmpeg, libsndfile) is imported
before a verb runs that needs it.
"""

from mediacodec.cli.app import main

__all__ = ["main"]

"""A second reader of .mcx files, of the codec `test` and of nothing else: it judges the vectors.

Written from SPEC.md and `v1/codec-test.json` alone, in plain Python; it imports nothing of the product. What it says of
a file is what `expected.json` holds of it, and what the product has to say as well (tests/conformance). It takes whole
files in memory, and is as slow as it is short.
"""

from .coder import Decoder, FaultError, flat, from_counts
from .reader import Reader
from .report import first_error, report

__all__ = ["Decoder", "FaultError", "Reader", "first_error", "flat", "from_counts", "report"]

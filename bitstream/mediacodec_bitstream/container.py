"""The container: `Writer`, `Reader` and `scan` (SPEC section 3)."""

from .gaps import Gap
from .reader import Reader
from .scan import ScanResult, StreamScan, scan
from .trailer import End, StreamEnd
from .writer import Writer

__all__ = ["End", "Gap", "Reader", "ScanResult", "StreamEnd", "StreamScan", "Writer", "scan"]

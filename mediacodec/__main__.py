"""`python -m mediacodec` is the command line."""

import sys

from mediacodec.cli import main

if __name__ == "__main__":
    sys.exit(main())

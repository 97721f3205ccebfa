"""One thread for whoever computes in parallel by itself: on small arrays a second one only waits, and spins."""

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # read when NumPy and torch load, hence before them
    os.environ.setdefault(name, "1")

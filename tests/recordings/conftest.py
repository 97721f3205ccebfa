"""Real recordings, from the folder that MEDIACODEC_DATA names; without the variable these tests are skipped."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The folder of evaluation clips. Named but not there is a failure, not a skip."""
    root = os.environ.get("MEDIACODEC_DATA")
    if not root:
        pytest.skip("needs real recordings: set MEDIACODEC_DATA to the folder that holds audio/eval_public")
    folder = Path(root) / "audio" / "eval_public"
    assert folder.is_dir(), f"MEDIACODEC_DATA is set, but {folder} does not exist"
    return folder

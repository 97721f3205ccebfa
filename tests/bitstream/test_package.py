"""Claims about the package itself: what it needs, what it exports, what its errors are."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import mediacodec_bitstream
from mediacodec_bitstream import errors

PACKAGE = Path(mediacodec_bitstream.__file__).parent

ISOLATED = """
import sys

class Wall:
    def find_spec(self, name, path=None, target=None):
        root = name.partition(".")[0]
        if root in sys.stdlib_module_names or root in ("numpy", "mediacodec_bitstream", *ALLOWED):
            return None
        raise ImportError(f"{name} is blocked")

ALLOWED = set(sys.argv[2:])
sys.meta_path.insert(0, Wall())
sys.path.insert(0, sys.argv[1])

import io
from fractions import Fraction
import mediacodec_bitstream as m

family = m.TableFamily.from_counts([[9, 1, 5], [1, 1, 1]])
symbols, indices = [0, 1, 2, 2] * 50, [0, 1] * 100
coded = m.seal(m.encode_grouped(symbols, indices, family), m.symbol_crc(symbols), 2)
stream = m.StreamHeader(0, "test", m.AudioParameters(16000, 1, 0, 160), Fraction(1, 16000))
file = io.BytesIO()
writer = m.Writer(file, m.FileHeader((stream,)))
writer.write(m.Packet(0, 0, coded, 16000))
writer.close()
file.seek(0)
(packet,) = m.Reader(file, strict=True)
data, crc = m.unseal(packet.data, 2)
found = m.decode_grouped(data, indices, family)
m.check_symbols(found, crc, 2)
assert found.tolist() == symbols
for name in ("torch", "onnxruntime", "av", "soundfile", "click", "constriction"):
    assert name in ALLOWED or name not in sys.modules, name
print(m.backend_name())
"""


def isolated(*allowed: str) -> str:
    environment = {k: v for k, v in os.environ.items() if k != "MEDIACODEC_RANGE_CODER"}
    command = [sys.executable, "-W", "error", "-c", ISOLATED, str(PACKAGE.parent), *allowed]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()


def test_numpy_is_enough() -> None:
    assert isolated() == "python"


def test_constriction_is_taken_where_it_is_there() -> None:
    pytest.importorskip("constriction")
    assert isolated("constriction") == "constriction"


def test_forcing_an_absent_coder_is_an_error() -> None:
    environment = {**os.environ, "MEDIACODEC_RANGE_CODER": "constriction"}
    command = [sys.executable, "-c", ISOLATED, str(PACKAGE.parent)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode
    assert "ParameterError" in done.stderr
    assert "pip install" in done.stderr


def test_the_public_list_is_sorted_and_real() -> None:
    names = mediacodec_bitstream.__all__
    assert names == sorted(names, key=lambda name: (not name.isupper(), not name[0].isupper(), name))
    assert all(hasattr(mediacodec_bitstream, name) for name in names)
    public = {name for name in vars(errors) if name.endswith("Error")}
    assert public <= set(names)


def test_every_error_is_ours_and_a_builtin() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    assert len(kinds) == 10
    for kind in kinds:
        assert issubclass(kind, errors.MediaCodecError)
        if kind is not errors.MediaCodecError:
            assert issubclass(kind, ValueError | TypeError)


def test_files_and_functions_stay_short() -> None:
    import ast

    for path in PACKAGE.glob("*.py"):
        text = path.read_text()
        assert len(text.splitlines()) <= 310, path.name
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                assert (node.end_lineno or 0) - node.lineno < 50, f"{path.name}: {node.name}"


def test_numpy_scalars_are_no_trap() -> None:
    with pytest.raises(mediacodec_bitstream.ParameterError):
        mediacodec_bitstream.Packet(0, np.float64(1.0), b"", 1)  # type: ignore[arg-type]

"""Published checkpoints, read without executing anything that is in them.

A checkpoint is a file (`.safetensors`, or what `torch.save` writes: `.pt`, `.pth`, `.th`, `.bin`, `.ckpt`) or a Hugging
Face folder (`config.json` beside `model.safetensors` or `pytorch_model.bin`). A file of `torch.save` is a pickle, and
unpickling runs code: torch's restricted unpickler builds tensors and plain containers and refuses the rest.
"""

from __future__ import annotations

import json
import pickle
import struct
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from mediacodec.errors import InputError, ModelError

WEIGHTS = ("model.safetensors", "pytorch_model.bin")  # of a folder, the first that is there
MAX_CONFIG = 1 << 20  # bytes
MOST_SHARED = 8  # tensors of the published codecs that are one storage under several names
MAX_BYTES = 8 << 30  # of a checkpoint: the published codecs have up to 0.4 GB


@dataclass(frozen=True)
class Checkpoint:
    """Weights by name, and what the checkpoint says of their network.

    config: a folder's `config.json`, the keyword arguments beside a DAC state dict, or empty.
    """

    path: Path
    tensors: dict[str, Tensor] = field(repr=False)
    config: dict[str, Any]

    def __contains__(self, key: str) -> bool:
        return key in self.tensors

    def shape(self, key: str) -> tuple[int, ...]:
        """Raises ModelError where there is no such tensor."""
        if key not in self.tensors:
            raise ModelError(f"{self.path} has no tensor {key!r}")
        return tuple(self.tensors[key].shape)


def read_checkpoint(path: Path) -> Checkpoint:
    """Raises InputError where nothing can be read at `path`, ModelError where it is no plain checkpoint."""
    config: dict[str, Any] = {}
    if path.is_dir():
        config = _read_config(path / "config.json")
        file = next((path / name for name in WEIGHTS if (path / name).is_file()), None)
        if file is None:
            raise InputError(f"{path} holds none of {', '.join(WEIGHTS)}")
    elif path.is_file():
        file = path
    else:
        raise InputError(f"{path}: no such file or folder")
    if file.stat().st_size > MAX_BYTES:
        raise ModelError(f"{file} is larger than {MAX_BYTES >> 30} GiB: no codec's checkpoint")
    content = _read_safetensors(file) if file.suffix == ".safetensors" else _read_torch(file)
    tensors, found = _tensors(content)
    if not tensors:
        raise ModelError(f"{file} holds no tensors by name")
    return Checkpoint(path, tensors, config or found)


def _read_config(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MAX_CONFIG:
            raise ModelError(f"{path} is larger than {MAX_CONFIG} bytes: not a configuration")
        config = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path} is no JSON: {error}") from error
    if not isinstance(config, dict):
        raise ModelError(f"{path} is no JSON object")
    return config


def _read_safetensors(path: Path) -> dict[str, Any]:
    try:
        return dict(load_file(path))
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise ModelError(f"cannot read {path}: {error}") from error


def _read_torch(path: Path) -> Any:
    _check_archive(path)
    try:
        return torch.load(path, weights_only=True, map_location="cpu")
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"{path} holds pickled objects besides tensors, or is no checkpoint at all; nothing of it was run. "
            "Save the state dict alone, or as safetensors"
        ) from error
    except Exception as error:  # torch's restricted unpickler fails in as many ways as there are damaged files
        raise ModelError(f"cannot read {path}: {str(error).splitlines()[0] if str(error) else error!r}") from error


def _check_archive(path: Path) -> None:
    """Raise ModelError where an archive of `torch.save` unpacks to more than it is: torch stores, it never packs."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, struct.error, EOFError, OSError, ValueError, RuntimeError):
        return  # an older format, or none: torch says so
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise ModelError(f"{path} is packed, which torch.save does not do; unpack it and save it again")
    if sum(member.file_size for member in members) > path.stat().st_size:
        raise ModelError(f"{path} names the same bytes several times: no checkpoint")


def _bounded(tensors: dict[str, Tensor]) -> None:
    """Raise ModelError where tensors hold more numbers than are stored: a view may repeat one as often as it likes."""
    for name, tensor in tensors.items():
        if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
            raise ModelError(f"tensor {name!r} has more numbers than are stored: no codec's checkpoint")
    stored = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in tensors.values()}
    if sum(v.numel() * v.element_size() for v in tensors.values()) > MOST_SHARED * sum(stored.values()):
        raise ModelError(f"its tensors share what is stored more than {MOST_SHARED} times: no codec's checkpoint")


def _tensors(content: Any) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The state dict in what was saved, and the keyword arguments beside it where the authors of DAC put them."""
    config: dict[str, Any] = {}
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        metadata = content.get("metadata")
        given = metadata.get("kwargs") if isinstance(metadata, dict) else None
        config = {str(key): value for key, value in given.items()} if isinstance(given, dict) else {}
        content = content["state_dict"]
    if not isinstance(content, dict):
        return {}, {}
    tensors = {str(k): v for k, v in content.items() if isinstance(v, Tensor) and _plain(v)}
    _bounded(tensors)
    if sum(v.numel() for v in tensors.values()) > MAX_BYTES // 2:
        raise ModelError(f"its tensors hold more than {MAX_BYTES >> 31} billion numbers: no codec's checkpoint")
    return {k: v.float() if v.is_floating_point() else v for k, v in tensors.items()}, config


def _plain(tensor: Tensor) -> bool:
    """Whether all its numbers are there and real."""
    return tensor.layout == torch.strided and tensor.device.type == "cpu" and not tensor.is_complex()

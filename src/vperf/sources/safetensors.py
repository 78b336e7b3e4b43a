"""What a checkpoint stores, to the byte: from safetensors headers, or from the Hub's listing.

A header gives each tensor's dtype and shape; the weights behind it are never read. Everything here
is bounded and checked, because a header is whatever the file says it is. Not here: the network
(hub/), and what a tensor means (model/).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import field
from pathlib import Path

from vperf.errors import InputError
from vperf.files import is_file, open_regular, read_bytes
from vperf.values import dataclass

SINGLE_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"

MAX_HEADER_BYTES = 100_000_000
"""The format's own limit for the JSON header of one file."""

_BITS = {
    **dict.fromkeys(("F64", "I64", "U64", "C64"), 64),
    **dict.fromkeys(("F32", "I32", "U32"), 32),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 16),
    **dict.fromkeys(("I8", "U8", "BOOL", "F8_E4M3", "F8_E5M2", "F8_E8M0"), 8),
    **dict.fromkeys(("F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    "F4": 4,
}
_MAY_BE_PACKED = frozenset({"I64", "U64", "I32", "U32", "I16", "U16", "I8", "U8"})
_SHARD = re.compile(r"(?P<stem>[^/]*?)[-_.]?(?P<number>\d{5,6})-of-(?P<total>\d{5,6})\.safetensors")


@dataclass(frozen=True, slots=True)
class StoredTensors:
    """The tensors of a checkpoint as stored; packed 4-bit weights count as their containers."""

    total_bytes: int
    origin: str
    """Where the figures come from, in words."""
    exact: bool = True
    """False where the file headers are counted in too (well under 0.1 % of a real model)."""
    bytes_by_dtype: Mapping[str, int] = field(default_factory=dict)
    """By safetensors dtype; empty where only the total is known."""
    elements_by_dtype: Mapping[str, int] = field(default_factory=dict)
    """By safetensors dtype; empty where only the total is known."""
    tensors: Mapping[str, tuple[str, tuple[int, ...]]] = field(default_factory=dict)
    """Name -> (dtype, shape); empty where no header was read."""


def _count(value: object) -> int | None:
    """A non-negative whole number (some indexes write it as a float), else None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if value >= 0 and value == value // 1 and value < 2**63 else None


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


# ---------------------------------------------------------------- headers on the disk


def read_header(path: Path) -> dict[str, tuple[str, tuple[int, ...], int]]:
    """Name -> (dtype, shape, bytes) of one safetensors file; reads the header, not the weights."""
    try:
        with open_regular(path) as (file, file_size):
            length = int.from_bytes(file.read(8), "little")
            if file_size < 8 or length > min(MAX_HEADER_BYTES, file_size - 8):
                raise InputError("not a safetensors file, or cut short", source=str(path))
            header = json.loads(file.read(length))
    except (ValueError, RecursionError) as error:
        raise InputError("the safetensors header is not JSON", source=str(path)) from error
    if not isinstance(header, dict):
        raise InputError("the safetensors header is not a JSON object", source=str(path))
    room = file_size - 8 - length
    return {
        name: _tensor(name, entry, room, path)
        for name, entry in header.items()
        if name != "__metadata__"
    }


def _tensor(name: str, entry: object, room: int, path: Path) -> tuple[str, tuple[int, ...], int]:
    """One header entry, checked against the file's size and against its own shape."""
    fields = _mapping(entry)
    dtype, shape, offsets = fields.get("dtype"), fields.get("shape"), fields.get("data_offsets")
    if (
        not isinstance(dtype, str)
        or not isinstance(shape, list)
        or len(shape) > 16
        or not all(type(size) is int and size >= 0 for size in shape)
        or not isinstance(offsets, list)
        or [type(offset) for offset in offsets] != [int, int]
    ):
        raise InputError("malformed safetensors header entry", source=str(path), field=name)
    begin, end = offsets
    elements = 1
    for size in shape:
        elements *= size
    bits = _BITS.get(dtype)
    if not 0 <= begin <= end <= room or (bits and (elements * bits + 7) // 8 != end - begin):
        raise InputError("safetensors offsets do not fit the file", source=str(path), field=name)
    return dtype, tuple(shape), end - begin


def read_directory(directory: Path) -> StoredTensors | None:
    """The checkpoint in a directory, from its headers; None where any of its files is absent."""
    files = weight_files(path.name for path in directory.glob("*.safetensors"))
    if not files and is_file(directory / INDEX_FILE):
        files = _files_of_index(_read_index(directory / INDEX_FILE))
    if not files or not all(is_file(directory / name) for name in files):
        return None
    tensors: dict[str, tuple[str, tuple[int, ...]]] = {}
    bytes_by_dtype: dict[str, int] = {}
    elements_by_dtype: dict[str, int] = {}
    for file in files:
        for name, (dtype, shape, size) in read_header(directory / file).items():
            tensors[name] = (dtype, shape)
            elements = 1
            for length in shape:
                elements *= length
            bytes_by_dtype[dtype] = bytes_by_dtype.get(dtype, 0) + size
            elements_by_dtype[dtype] = elements_by_dtype.get(dtype, 0) + elements
    return StoredTensors(
        total_bytes=sum(bytes_by_dtype.values()),
        origin="safetensors headers",
        bytes_by_dtype=bytes_by_dtype,
        elements_by_dtype=elements_by_dtype,
        tensors=tensors,
    )


def _read_index(path: Path) -> Mapping[str, object]:
    try:
        return _mapping(json.loads(read_bytes(path, limit=MAX_HEADER_BYTES)))
    except (ValueError, RecursionError) as error:
        raise InputError("the index is not JSON", source=str(path)) from error


# ---------------------------------------------------------------- which files, and what a Hub says


def weight_files(names: Iterable[str]) -> tuple[str, ...]:
    """The files a loader reads, of a directory's names: the single file, or one complete set.

    () where that is not certain: shards are missing, or two sets stand side by side.
    """
    sets: dict[tuple[str, int], dict[int, str]] = {}
    for name in names:
        if name == SINGLE_FILE:
            return (SINGLE_FILE,)
        if match := _SHARD.fullmatch(name):
            shards = sets.setdefault((match["stem"], int(match["total"])), {})
            shards[int(match["number"])] = name
    complete = {
        stem: tuple(shards[number] for number in sorted(shards))
        for (stem, total), shards in sets.items()
        if len(shards) == total and min(shards) in (0, 1) and max(shards) - min(shards) == total - 1
    }
    if "model" in complete:
        return complete["model"]
    return next(iter(complete.values())) if len(complete) == 1 else ()


def _files_of_index(index: Mapping[str, object]) -> tuple[str, ...]:
    files = {file for file in _mapping(index.get("weight_map")).values() if isinstance(file, str)}
    return tuple(sorted(file for file in files if file == Path(file).name))


def from_listing(
    info: Mapping[str, object], index: Mapping[str, object] | None = None
) -> StoredTensors | None:
    """What the Hub's model info (`?blobs=true`) and, where given, the shard index say is stored.

    The counts by dtype in that info are logical parameters for most packed formats (an I32 that
    holds eight weights counts eight), so they are believed only where they explain the sizes of
    the files, or where there are no sizes and no dtype that could be packed.
    """
    sizes: dict[str, int] = {}
    siblings = info.get("siblings")
    for sibling in siblings if isinstance(siblings, list) else ():
        name, size = _mapping(sibling).get("rfilename"), _count(_mapping(sibling).get("size"))
        if isinstance(name, str) and size is not None:
            sizes[name] = size
    files = weight_files(sizes) or _files_of_index(index or {})
    known = bool(files) and all(file in sizes for file in files)
    on_disk = sum(sizes[file] for file in files) if known else None

    counts = _counts(info)
    by_dtype = {dtype: count * _BITS[dtype] // 8 for dtype, count in (counts or {}).items()}
    counted = sum(by_dtype.values())
    total_size = _count(_mapping((index or {}).get("metadata")).get("total_size"))

    if on_disk is None:
        explained = counted == total_size or (
            total_size is None and not _MAY_BE_PACKED & by_dtype.keys()
        )
    else:
        explained = _is_all_but_headers(counted, on_disk, len(files))
        if total_size is not None and not _is_all_but_headers(total_size, on_disk, len(files)):
            total_size = None  # a stale index: the files are the truth
    if counts and counted and explained:
        return StoredTensors(counted, "the Hub's tensor counts", True, by_dtype, counts)
    if total_size:
        return StoredTensors(total_size, INDEX_FILE)
    if on_disk:
        return StoredTensors(on_disk, "file sizes", exact=False)
    return None


def _counts(info: Mapping[str, object]) -> dict[str, int] | None:
    """Elements by dtype, or None where one of them is not understood."""
    counts: dict[str, int] = {}
    for dtype, value in _mapping(_mapping(info.get("safetensors")).get("parameters")).items():
        count = _count(value)
        if count is None or dtype not in _BITS:
            return None
        counts[dtype] = count
    return counts


def _is_all_but_headers(tensor_bytes: int, file_bytes: int, files: int) -> bool:
    """True where the files are these tensors plus headers of a believable size."""
    return 0 <= file_bytes - tensor_bytes <= max(0.005 * file_bytes, files * 2**20)

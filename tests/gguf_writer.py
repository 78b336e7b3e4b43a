"""Writes the header of a GGUF file, right or wrong: what tests and fuzzing feed the reader.

The weights are left out: readers of headers do not miss them. docs/gguf.md in ggml-org/ggml.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any

F32, F16, Q4_0, Q8_0, Q4_K, Q6_K, BF16, MXFP4 = 0, 1, 2, 8, 12, 14, 30, 39
"""Numbers of enum ggml_type."""

Tensors = Mapping[str, tuple[Sequence[int], int]]
"""Name -> (shape with the length of a row first, type)."""


def gguf_bytes(
    metadata: Mapping[str, Any],
    tensors: Tensors,
    *,
    version: int = 3,
    magic: bytes = b"GGUF",
    tensor_count: int | None = None,
    key_count: int | None = None,
) -> bytes:
    """A header; the counts may lie."""
    data = magic + struct.pack("<I", version)
    data += struct.pack("<Q", len(tensors) if tensor_count is None else tensor_count)
    data += struct.pack("<Q", len(metadata) if key_count is None else key_count)
    for key, value in metadata.items():
        data += text(key) + typed(value)
    offset = 0
    for name, (shape, kind) in tensors.items():
        data += text(name) + struct.pack("<I", len(shape))
        data += b"".join(struct.pack("<Q", length) for length in shape)
        data += struct.pack("<IQ", kind, offset)
        offset += 32
    return data


def text(value: str) -> bytes:
    """A length and bytes."""
    raw = value.encode()
    return struct.pack("<Q", len(raw)) + raw


def typed(value: Any) -> bytes:
    """A value behind its type, as gguf-py picks types."""
    kind, body = _encoded(value)
    return struct.pack("<I", kind) + body


def _encoded(value: Any) -> tuple[int, bytes]:
    if isinstance(value, bool):
        return 7, struct.pack("<?", value)
    if isinstance(value, int):
        return (4, struct.pack("<I", value)) if value < 2**32 else (10, struct.pack("<Q", value))
    if isinstance(value, float):
        return 6, struct.pack("<f", value)
    if isinstance(value, str):
        return 8, text(value)
    items = [_encoded(item) for item in value]
    kind = items[0][0] if items else 4
    return 9, struct.pack("<IQ", kind, len(items)) + b"".join(body for _, body in items)

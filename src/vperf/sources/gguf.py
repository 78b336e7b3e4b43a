"""The header of a GGUF file: magic, metadata, the name, shape and type of every tensor.

Little endian, versions 2 and 3 (docs/gguf.md in ggml-org/ggml). Only the header is read, never the
weights; long lists (a vocabulary is a list of 150,000 texts) are stepped over. Every length is
checked against the file's size before it is believed, so time and memory are bounded by
MAX_HEADER_BYTES whatever the file claims. Not here: what it means (model/gguf), the network.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from vperf.errors import InputError
from vperf.files import is_file, open_regular
from vperf.formats import GGML_TYPES
from vperf.model.gguf.header import GgufHeader, GgufTensor

MAX_HEADER_BYTES = 64 << 20
"""Gemma's with 262,144 tokens and 514,906 merges take 16 MB, the most known."""

FIRST_BYTES = 8 << 20
"""Enough for a vocabulary of 150,000 tokens with its merges."""

FIRST_BYTES_OF_PART = 1 << 20
"""Of a split model's further parts, which hold no vocabulary."""

MAX_TENSORS = 1 << 20
MAX_KEYS = 1 << 16
MAX_LIST = 8192
"""Longer lists are kept as their length: no list that shapes a model is longer than its layers."""
MAX_TEXT = 4096
MAX_NESTING = 4
MAX_ELEMENTS = 1 << 50
MAX_PARTS = 1000

_SPLIT = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<total>\d{5})\.gguf", re.IGNORECASE)

_FIXED = {
    0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q",
    12: "<d",
}  # fmt: skip
_TEXT, _LIST = 8, 9

_OLD_MAGIC = (b"lmgg", b"fmgg", b"tjgg", b"algg")
"""ggml, ggmf, ggjt and ggla, as they stand in files."""


class MoreNeeded(Exception):  # noqa: N818  (no error: a request)
    """The header goes on beyond the bytes at hand."""


# ---------------------------------------------------------------- files


def read_gguf(path: Path) -> GgufHeader:
    """The header of a model's file, or of all parts of a split one, given any of them.

    Raises InputError that names the file and what is wrong with it.
    """
    parts = split_parts(path.name)
    if len(parts) == 1:
        return joined(str(path), [read_part(path)])
    headers = []
    for name in parts:
        file = path.with_name(name)
        if not is_file(file):
            raise InputError(
                f"is one of {len(parts)} files, and {name} is not beside it", source=str(path),
                hint="put all parts of the split model into one directory",
            )  # fmt: skip
        headers.append(read_part(file))
    return joined(str(path), headers)


def split_parts(name: str) -> list[str]:
    """The names of all parts of a split model, in order; of any other file, its own."""
    match = _SPLIT.fullmatch(name)
    if match is None:
        return [name]
    number, total = int(match["number"]), int(match["total"])
    if not 1 <= number <= total <= MAX_PARTS:
        raise InputError(f"part {number} of {total} cannot be", source=name)
    return [f"{match['stem']}-{i:05d}-of-{total:05d}{name[-5:]}" for i in range(1, total + 1)]


def read_part(path: Path) -> GgufHeader:
    """The header of one file."""
    with open_regular(path) as (file, size):

        def more(start: int, end: int) -> bytes:
            file.seek(start)
            return file.read(end - start)

        return read_growing(more, size, str(path))


def read_growing(
    more: Callable[[int, int], bytes], size: int, source: str, first: int = FIRST_BYTES
) -> GgufHeader:
    """A header from ever longer beginnings of a file of `size` bytes; `more` reads a range."""
    data = b""
    wanted = first
    while True:
        have = len(data)
        data += more(have, min(wanted, size))
        if len(data) > MAX_HEADER_BYTES:
            data = data[:MAX_HEADER_BYTES]
        try:
            return parse(data, size, source)
        except MoreNeeded:
            if len(data) >= MAX_HEADER_BYTES:
                raise InputError(
                    f"its header does not end within {MAX_HEADER_BYTES >> 20} MiB", source=source
                ) from None
            if len(data) <= have:  # the file is shorter than it was said to be
                raise InputError("cut short within its header", source=source) from None
            wanted = min(len(data) * 3, MAX_HEADER_BYTES)


def joined(source: str, parts: list[GgufHeader]) -> GgufHeader:
    """One header of all parts: metadata of the first, tensors of all."""
    first = parts[0]
    stated = first.metadata.get("split.count")
    if isinstance(stated, int) and stated > 1 and stated != len(parts):
        raise InputError(
            f"is one of {stated} files, named as one of {len(parts)}", source=source,
            hint="parts are named <model>-00001-of-00002.gguf",
        )  # fmt: skip
    tensors: dict[str, GgufTensor] = {}
    for part in parts:
        twice = tensors.keys() & part.tensors.keys()
        if twice:
            raise InputError(f"{min(twice)[:80]} is in two parts", source=source)
        tensors |= part.tensors
    count = first.metadata.get("split.tensors.count")
    if len(parts) > 1 and isinstance(count, int) and count != len(tensors):
        raise InputError(f"its parts hold {len(tensors)} of {count} tensors", source=source)
    if not tensors:
        raise InputError("holds no tensors: a vocabulary, not a model", source=source)
    missing = sum(part.missing_bytes for part in parts)
    return GgufHeader(source, first.metadata, tensors, missing)


# ---------------------------------------------------------------- bytes


def parse(data: bytes, size: int, source: str) -> GgufHeader:
    """The header at the beginning of `data`, of a file of `size` bytes.

    Raises MoreNeeded where `data` ends before the header does, InputError where the file does.
    """
    return _Parser(data, size, source).header()


class _Parser:
    """A position in the bytes, and the reads that move it."""

    __slots__ = ("at", "data", "field", "size", "source")

    def __init__(self, data: bytes, size: int, source: str) -> None:
        self.data = data
        self.size = max(size, len(data))
        self.source = source
        self.at = 0
        self.field = ""

    def error(self, message: str) -> InputError:
        return InputError(message, source=self.source, field=self.field)

    def room(self, count: int) -> int:
        """Claim `count` bytes from here on; returns where they begin."""
        begin = self.at
        if count > self.size - begin:
            raise self.error("cut short, or its lengths are not true")
        if count > MAX_HEADER_BYTES - begin:
            raise self.error(f"its header does not end within {MAX_HEADER_BYTES >> 20} MiB")
        if count > len(self.data) - begin:
            raise MoreNeeded
        self.at = begin + count
        return begin

    def fixed(self, code: str) -> Any:
        return struct.unpack_from(code, self.data, self.room(struct.calcsize(code)))[0]

    def text(self, most: int, what: str) -> str:
        length = self.fixed("<Q")
        if length > most:
            raise self.error(f"{what} of {length} bytes")
        begin = self.room(length)
        try:
            return self.data[begin : self.at].decode("utf-8")
        except UnicodeDecodeError:
            raise self.error(f"{what} that is not text") from None

    # --- the parts of a header --------------------------------------------------------------

    def header(self) -> GgufHeader:
        self.magic()
        tensor_count, key_count = self.fixed("<Q"), self.fixed("<Q")
        # A key takes 13 bytes at least (name's length, type, value), a tensor 32.
        if key_count > min(MAX_KEYS, self.size // 13):
            raise self.error(f"claims {key_count} metadata keys")
        if tensor_count > min(MAX_TENSORS, self.size // 32):
            raise self.error(f"claims {tensor_count} tensors")
        metadata = self.metadata(key_count)
        alignment = metadata.get("general.alignment", 32)
        if not isinstance(alignment, int) or alignment < 1 or alignment & (alignment - 1):
            self.field = "general.alignment"
            raise self.error("must be a power of two")
        tensors, end = self.tensors(tensor_count)
        data_begin = -(-self.at // alignment) * alignment
        missing = max(0, data_begin + end - self.size) if tensors else 0
        return GgufHeader(self.source, metadata, tensors, missing)

    def magic(self) -> None:
        if self.size < 24:
            raise self.error("is too short for a GGUF file")
        magic = self.data[self.room(4) : self.at]
        if magic in _OLD_MAGIC:
            raise self.error("is a GGML file from before GGUF: convert it with llama.cpp")
        if magic != b"GGUF":
            raise self.error("is not a GGUF file")
        version = self.fixed("<I")
        if version & 0xFFFF == 0 and version:
            raise self.error("is a big-endian GGUF file, which vperf does not read")
        if version == 1:
            raise self.error("is a GGUF file of version 1: convert it with a newer llama.cpp")
        if version not in (2, 3):
            raise self.error(f"is of GGUF version {version}; vperf reads 2 and 3")

    def metadata(self, count: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for _ in range(count):
            self.field = "metadata"
            name = self.text(65535, "a key")
            self.field = name[:80]
            if name in found:
                raise self.error("is there twice")
            found[name] = self.value(self.fixed("<I"), 0)
        self.field = ""
        return found

    def value(self, kind: int, depth: int) -> Any:
        if kind in _FIXED:
            return self.fixed(_FIXED[kind])
        if kind == _TEXT:
            return self.short_text()
        if kind == _LIST:
            return self.list(depth)
        raise self.error(f"is of unknown type {kind}")

    def short_text(self) -> str:
        """A text; a long one (a chat template) by its beginning, whatever its bytes are."""
        begin = self.room(self.fixed("<Q"))
        return self.data[begin : min(self.at, begin + MAX_TEXT)].decode("utf-8", "replace")

    def list(self, depth: int) -> Any:
        """A short list of numbers, else the length of the list."""
        kind, count = self.fixed("<I"), self.fixed("<Q")
        if kind in _FIXED:
            code = _FIXED[kind]
            begin = self.room(count * struct.calcsize(code))
            if count > MAX_LIST:
                return count
            return list(struct.unpack_from(f"<{count}{code[1]}", self.data, begin))
        if kind == _TEXT:
            self.skip_texts(count)
            return count
        if kind != _LIST:
            raise self.error(f"is a list of unknown type {kind}")
        if depth == MAX_NESTING:
            raise self.error("is nested too deeply")
        if count > (self.size - self.at) // 12:
            raise self.error("cut short, or its lengths are not true")
        for _ in range(count):
            self.list(depth + 1)
        return count

    def skip_texts(self, count: int) -> None:
        """Half a million of them in the largest files, so without calls."""
        if count > (self.size - self.at) // 8:
            raise self.error("cut short, or its lengths are not true")
        data, at, end = self.data, self.at, len(self.data)
        for _ in range(count):
            after = at + 8
            if after <= end:
                after += int.from_bytes(data[at:after], "little")
            if after > end:
                self.at = at
                self.room(after - at)  # says why
            at = after
        self.at = at

    def tensors(self, count: int) -> tuple[dict[str, GgufTensor], int]:
        """Name -> tensor, and how far behind the header the last one ends."""
        found: dict[str, GgufTensor] = {}
        end = 0
        for _ in range(count):
            self.field = "tensors"
            name = self.text(1024, "a name")
            self.field = name[:80]
            if name in found:
                raise self.error("is there twice")
            dimensions = self.fixed("<I")
            if not 1 <= dimensions <= 4:
                raise self.error(f"has {dimensions} dimensions")
            shape = struct.unpack_from(f"<{dimensions}Q", self.data, self.room(8 * dimensions))
            kind = self.fixed("<I")
            offset = self.fixed("<Q")
            found[name] = self.tensor(shape, kind)
            end = max(end, offset + found[name].bytes)
        self.field = ""
        return found, max(end, sum(tensor.bytes for tensor in found.values()))

    def tensor(self, shape: tuple[int, ...], kind: int) -> GgufTensor:
        elements = 1
        for length in shape:
            elements *= length
        if not 0 < elements <= MAX_ELEMENTS:
            raise self.error(f"is of shape {' x '.join(map(str, shape))[:80]}")
        while len(shape) > 1 and shape[-1] == 1:
            shape = shape[:-1]
        format = GGML_TYPES.get(kind)
        if format is None:
            raise self.error(f"is of ggml type {kind}, which vperf does not know")
        if format.block_in and shape[0] % format.block_in:
            raise self.error(f"has rows of {shape[0]} in {format.name} blocks of {format.block_in}")
        return GgufTensor(shape, format)


# ---------------------------------------------------------------- which file is meant

_TAG = re.compile(
    r"(?:^|[-._/ ])((?:UD-)?"
    r"(?:I?Q\d(?:_[0-9A-Z]+)*|TQ\d_\d|BF16|FP?16|FP?32|MXFP4(?:_MOE)?|NVFP4))$",
    re.IGNORECASE,
)


def quantization_tag(name: str) -> str:
    """ "Q4_K_M" of "dir/Model-8B-Q4_K_M-00001-of-00002.gguf"; "" where a name has none."""
    match = _SPLIT.fullmatch(name)
    stem = match["stem"] if match else re.sub(r"\.gguf$", "", name, flags=re.IGNORECASE)
    found = _TAG.search(stem)
    return found[1].upper() if found else ""


def model_files(names: Iterable[str]) -> list[str]:
    """The GGUF files that are models: split ones by their first part, no projectors or drafts."""
    found = []
    for name in sorted(names):
        base = name.rpartition("/")[2].lower()
        match = _SPLIT.fullmatch(name)
        if not base.endswith(".gguf") or (match and int(match["number"]) != 1):
            continue
        if "mmproj" in base or "imatrix" in base or base.startswith("mtp-"):
            continue
        found.append(name)
    return found


def choose(files: list[str], wanted: str, where: str) -> str:
    """The file with the quantization `wanted` ("": the only one). Ambiguous is an error."""
    if not files:
        raise InputError("has no GGUF file of a model", source=where)
    tags = [quantization_tag(file) for file in files]
    if wanted:
        key = wanted.upper()
        matching = [f for f, tag in zip(files, tags, strict=True) if tag == key]
        matching = matching or [
            f for f, tag in zip(files, tags, strict=True) if tag.removeprefix("UD-") == key
        ]
    else:
        matching = files
    if len(matching) == 1:
        return matching[0]
    listed = ", ".join((matching or files)[:12]) + (", ..." if len(matching or files) > 12 else "")
    if not matching:
        raise InputError(f"has no GGUF file in {wanted}; it has {listed}", source=where)
    example = next((tag for tag in tags if tag), "Q4_K_M")
    raise InputError(
        f"has {len(matching)} GGUF models: {listed}", source=where,
        hint=f"name one: {where}:{example}, or {where}/{matching[0]}",
    )  # fmt: skip

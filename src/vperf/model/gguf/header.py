"""The header of a GGUF file as values, and typed scenarios to it. Not here: its bytes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from vperf.errors import InputError, UnsupportedModelError
from vperf.formats import Format
from vperf.model.checkpoint import MAX_DIMENSION, MAX_LAYERS
from vperf.values import dataclass

_BLOCK = re.compile(r"blk\.(\d{1,6})\.(.+)")


@dataclass(frozen=True, slots=True)
class GgufTensor:
    """One tensor: its shape as ggml writes it (the length of a row first) and its type."""

    shape: tuple[int, ...]
    type: Format

    @property
    def elements(self) -> int:
        """All of them."""
        count = 1
        for length in self.shape:
            count *= length
        return count

    @property
    def bytes(self) -> int:
        """As stored: rows are whole blocks."""
        return int(self.elements * self.type.bits) // 8


@dataclass(frozen=True)
class GgufHeader:
    """Metadata and tensors of a model, of all its files together."""

    source: str
    """What errors call it."""
    metadata: Mapping[str, Any]
    """Numbers, flags, short texts and short lists of these; long arrays as their length."""
    tensors: Mapping[str, GgufTensor]
    missing_bytes: int = 0
    """Of the weights, where the file ends before they do."""

    # --- metadata --------------------------------------------------------------------------

    @cached_property
    def architecture(self) -> str:
        """general.architecture."""
        value = self.metadata.get("general.architecture")
        if not isinstance(value, str) or not value:
            raise InputError("missing", source=self.source, field="general.architecture")
        return value

    def error(self, message: str, key: str) -> InputError:
        """An error that names the file and `key`."""
        return InputError(message, source=self.source, field=f"{self.architecture}.{key}")

    def unsupported(self, message: str, key: str = "") -> UnsupportedModelError:
        """The same, for what is not understood."""
        field = f"{self.architecture}.{key}" if key else ""
        return UnsupportedModelError(message, source=self.source, field=field)

    def raw(self, key: str) -> Any:
        """The value of "{architecture}.{key}", or None."""
        return self.metadata.get(f"{self.architecture}.{key}")

    def numbers(self, key: str) -> list[int] | None:
        """A whole number for every layer; None when absent. One number stands for all layers."""
        value = self.raw(key)
        if value is None:
            return None
        items = value if isinstance(value, list) else [value] * self.blocks
        if len(items) < self.layers:
            raise self.error(f"has {len(items)} entries, fewer than there are layers", key)
        return [self._whole(item, key) for item in items[: self.layers]]

    def number(self, key: str, default: int = 0) -> int:
        """A whole number; of a list, the one that all layers share that have any."""
        value = self.raw(key)
        if not isinstance(value, list):
            return default if value is None else self._whole(value, key)
        several = {self._whole(item, key) for item in value[:MAX_LAYERS]} - {0}
        if len(several) > 1:
            raise self.unsupported("layers that differ in it are not understood", key)
        return several.pop() if several else 0

    def needed(self, key: str) -> int:
        """A whole number that must be there and above zero."""
        value = self.number(key)
        if value < 1:
            raise self.error("missing; it is needed" if self.raw(key) is None else "is zero", key)
        return value

    def _whole(self, value: Any, key: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.error(f"must be a whole number, not {str(value)[:40]!r}", key)
        if not 0 <= value <= MAX_DIMENSION:
            raise self.error(f"must be between 0 and {MAX_DIMENSION}, not {value}", key)
        return value

    @cached_property
    def blocks(self) -> int:
        """Layers and multi-token-prediction layers together."""
        value = self.raw("block_count")
        count = self._whole(value, "block_count") if value is not None else 0
        if not 0 < count <= MAX_LAYERS:
            raise self.error(f"must be between 1 and {MAX_LAYERS}, not {value}", "block_count")
        return count

    @cached_property
    def mtp_layers(self) -> int:
        """Multi-token-prediction layers, stored as the last blocks."""
        value = self.raw("nextn_predict_layers")
        count = 0 if value is None else self._whole(value, "nextn_predict_layers")
        if count >= self.blocks:
            raise self.error(f"is {count} of {self.blocks} blocks", "nextn_predict_layers")
        return count

    @property
    def layers(self) -> int:
        """Layers of the model itself."""
        return self.blocks - self.mtp_layers

    # --- tensors ---------------------------------------------------------------------------

    @cached_property
    def by_suffix(self) -> Mapping[str, tuple[int, ...]]:
        """ "attn_q.weight" -> the layers that have it, in order."""
        found: dict[str, list[int]] = {}
        for name in self.tensors:
            match = _BLOCK.fullmatch(name)
            if match and int(match[1]) < self.layers:
                found.setdefault(match[2], []).append(int(match[1]))
        return {suffix: tuple(sorted(layers)) for suffix, layers in found.items()}

    @cached_property
    def by_layer(self) -> Mapping[int, tuple[tuple[str, GgufTensor], ...]]:
        """0 -> ("attn_q.weight", its tensor) and the like of that layer, by name."""
        found: dict[int, list[tuple[str, GgufTensor]]] = {}
        for name in sorted(self.tensors):
            if match := _BLOCK.fullmatch(name):
                found.setdefault(int(match[1]), []).append((match[2], self.tensors[name]))
        return {layer: tuple(tensors) for layer, tensors in found.items()}

    def has(self, *suffixes: str) -> bool:
        """Whether any layer has any of these."""
        return any(suffix in self.by_suffix for suffix in suffixes)

    def holders(self, *suffixes: str) -> tuple[int, ...]:
        """The layers that have one of these."""
        return tuple(sorted({i for suffix in suffixes for i in self.by_suffix.get(suffix, ())}))

    def length(self, axis: int, *suffixes: str) -> int:
        """The length of an axis of the first of these that any layer has; 0 if none has."""
        for suffix in suffixes:
            for layer in self.by_suffix.get(suffix, ())[:1]:
                shape = self.tensors[f"blk.{layer}.{suffix}"].shape
                return shape[axis] if axis < len(shape) else 1
        return 0

    def is_mtp(self, name: str) -> bool:
        """Whether a tensor belongs to a multi-token-prediction layer."""
        match = _BLOCK.fullmatch(name)
        return match is not None and self.layers <= int(match[1]) < self.blocks

    def beyond(self) -> str | None:
        """A tensor of a block that is not among those that the file says it has."""
        blocks = ((name, _BLOCK.fullmatch(name)) for name in self.tensors)
        return next((name for name, m in blocks if m and int(m[1]) >= self.blocks), None)

    @cached_property
    def stored_bytes(self) -> int:
        """Of every tensor but those of multi-token-prediction layers."""
        return sum(t.bytes for name, t in self.tensors.items() if not self.is_mtp(name))

"""A model's config as it was found, before anything is derived from it.

Not here: finding it (sources/models.py) and understanding it (families/, gguf/).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from vperf.values import dataclass

if TYPE_CHECKING:
    from vperf.model.gguf.header import GgufHeader

ModelSource = Literal["bundled", "hub", "local", "gguf", "stdin"]


@dataclass(frozen=True, slots=True)
class Adapter:
    """A LoRA adapter beside its base model."""

    rank: int
    targets: tuple[str, ...]
    """Last names of the modules it is of; (): all linear layers."""


@dataclass(frozen=True, slots=True)
class Spelled:
    """How a model was named that is known under another name."""

    typed: str
    quantization: str | None
    """The format that the name says, or that whoever has this name usually makes; None: none."""
    usual: bool = False
    """No word says the format: it is the usual one of those who use such names."""
    sure: bool = True
    """Whether the words leave no doubt of the format."""
    why: str = ""
    """What kept the checkpoint itself from being read."""


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """A model's config as found, not yet understood."""

    id: str
    source: ModelSource
    label: str
    """What errors call it: the file's path or the model's id."""
    config: Mapping[str, Any]
    hf_quant_config: Mapping[str, Any] | None = None
    stored_bytes: int | None = None
    """Bytes of the checkpoint's tensors, where its own headers or index say so."""
    warnings: tuple[str, ...] = ()
    task: str = ""
    """What its publisher made it for, where its config does not say: an embedding model that is
    stored as one that generates."""
    adapter: Adapter | None = None
    """What was named is an adapter: the rest is of its base model."""
    spelled: Spelled | None = None
    """Where the model is known, but not under the name that was typed."""
    gguf: GgufHeader | None = None
    """Where it is a GGUF file: the header says more than `config`, which is derived from it."""

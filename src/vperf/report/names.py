"""What things are called on a screen: a model without its owner, a GPU by its id.

Not here: what is said of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vperf.answer import Estimate
from vperf.report.commands import SIXTEEN_BIT
from vperf.report.format import clean


def short_model(identifier: str) -> str:
    """A Hub id without its owner; a path without its directories."""
    return clean(identifier).rstrip("/").rsplit("/", 1)[-1] or "model"


def counted(gpu: str, count: int) -> str:
    """ "h100-sxm-80gb", "4 x h100-sxm-80gb"."""
    return f"{count:,} x {clean(gpu)}" if count > 1 else clean(gpu)


def subject(answer: Estimate) -> str:
    """ "Qwen3-4B on 4 x h100-sxm-80gb"."""
    return f"{short_model(answer.model.id)} on {counted(answer.gpu.id, answer.gpu.count)}"


def nameable(answer: Estimate) -> bool:
    """Whether an engine would find the model by its id.

    Ids come from strangers and end up in a shell's clipboard: those with odd characters are not.
    """
    model = answer.model
    return model.source in ("bundled", "hub") and clean(model.id) == model.id


def own_cache(answer: Estimate) -> str:
    """The KV cache's format where it is not the model's 16-bit one."""
    cache = answer.model.kv_cache_dtype
    return "" if cache in SIXTEEN_BIT else cache


_FLAGS = {
    "quantization": "-q", "kv_cache_dtype": "--kv-cache-dtype", "tp": "--tp",
    "gpu_memory_utilization": "--gpu-memory-utilization", "context": "--context",
    "users": "--users",
}  # fmt: skip


def flags(options: Mapping[str, Any]) -> str:
    """Options as one types them: "-q int4 --tp 2"."""
    return " ".join(
        _FLAGS.get(name, "--" + name.replace("_", "-"))
        + (
            ""
            if value is True
            else f" {clean(f'{value:g}' if isinstance(value, float) else value)}"
        )
        for name, value in options.items()
    )

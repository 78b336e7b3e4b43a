"""The Python API: names in, frozen answers out. The command line calls exactly these functions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vperf.estimate import Estimate
from vperf.hardware.gpu import Gpu

DEFAULT_INPUT_TOKENS = 1024
DEFAULT_OUTPUT_TOKENS = 128


def estimate(
    model: str | Path | Mapping[str, Any],
    gpu: str | Gpu,
    *,
    input_len: int = DEFAULT_INPUT_TOKENS,
    output_len: int = DEFAULT_OUTPUT_TOKENS,
    batch_size: int = 1,
    quantization: str | None = None,
    kv_cache_dtype: str | None = None,
    engine: str = "vllm",
    revision: str | None = None,
) -> Estimate:
    """Estimate TTFT, prefill and decode speed of `model` on `gpu`."""
    raise NotImplementedError

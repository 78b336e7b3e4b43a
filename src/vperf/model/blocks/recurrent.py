"""What recurrent mechanisms share: a state of fixed size instead of a cache that grows.

Every step reads the state and writes it back, both through memory: two times its bytes for each
sequence. The first chunk of a prefill starts from zeros and only writes. Not here: the recurrences
(linear_attention.py, mamba.py, short_conv.py).
"""

from __future__ import annotations

from vperf.formats import BF16
from vperf.model.affine import Q
from vperf.model.checkpoint import Config
from vperf.model.ops import Coordinates, Work, new_tokens, state_traffic

CONV_STATE_BYTES = 2
"""Per element: the last inputs of a short convolution stay in the activations' 16 bit."""

_STATE_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


def conv_state_bytes(channels: int, kernel: int) -> int:
    """The kernel - 1 inputs that the next token still sees (a framework may keep `kernel`)."""
    return channels * (kernel - 1) * CONV_STATE_BYTES


def convolution(name: str, step: Coordinates[Q], channels: int, kernel: int) -> Work[Q]:
    """A causal depthwise convolution over the last `kernel` tokens, one small kernel.

    2 x kernel FLOPs per channel and token. Its weights are counted with the vectors. Engines give
    each rank of tensor parallelism its channels (conv1d is a ColumnParallelLinear in vLLM's
    mamba_mixer2.py and SGLang's Gated DeltaNet, read 2026-12-01).
    """
    return Work(
        name,
        "elementwise",
        2.0 * step.tokens * channels * kernel,
        BF16,
        cache_bytes=state_traffic(step, conv_state_bytes(channels, kernel)),
        input_elements=2.0 * step.tokens * channels,
        shape=(step.batch, channels, step.fact(new_tokens), kernel),
        split="blocks",
    )


def state_element_bytes(config: Config, *names: str) -> int:
    """Bytes of a state element: fp32 unless the config says otherwise."""
    keys = names or ("mamba_ssm_dtype", "mamba_ssm_cache_dtype")
    dtype = config.text(*keys, default="float32")
    size = _STATE_BYTES.get(dtype.removeprefix("torch."))
    if size is None:
        raise config.error(f"must be one of {', '.join(_STATE_BYTES)}, not {dtype[:40]!r}", keys[0])
    return size

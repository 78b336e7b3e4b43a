"""Linear attention: a matrix S [key_dim, value_dim] a head, decayed and updated by every token.

    gated       S = a S + k v'                  o = S' q     lightning (MiniMax), mLSTM, Mamba-2
    delta rule  S = a (S - b k (k' S)) + b k v' o = S' q     Gated DeltaNet (Qwen3-Next), KDA (Kimi)

`a` is a scalar a head, in KDA one for each key channel. Sources: Yang et al. 2024, "Gated Delta
Networks" (arXiv 2412.06464); Kimi Linear (arXiv 2510.26692); Lightning Attention-2 (arXiv
2401.04658); Dao and Gu 2024 (arXiv 2405.21060). FLOPs of both forms: ops.recurrent.
"""

from __future__ import annotations

from typing import Literal

from vperf.formats import Format
from vperf.model.affine import Q
from vperf.model.blocks.base import Block, Scope
from vperf.model.blocks.gqa import attention_heads, head_size, hidden_size
from vperf.model.blocks.recurrent import (
    conv_state_bytes,
    convolution,
    state_element_bytes,
)
from vperf.model.checkpoint import Config
from vperf.model.ops import Coordinates, Linear, Work, matmul, recurrent
from vperf.values import dataclass

FUSED_CHUNK = 64
"""Tokens of a chunk where the config names none: what flash-linear-attention and FlashInfer use."""


@dataclass(frozen=True, slots=True)
class LinearAttention(Block):
    """`heads` matrices of state; queries and keys may be fewer (`key_heads`) and shared."""

    name: str
    heads: int
    key_heads: int
    key_dim: int
    value_dim: int
    inputs: tuple[tuple[str, tuple[Linear, ...]], ...]
    """Named groups of projections; those of a group share their input and run as one matmul."""
    output: Linear
    conv_channels: int = 0
    conv_kernel: int = 0
    """Of the short convolution before the recurrence; 0: there is none."""
    delta: bool = False
    normalizer: bool = False
    """mLSTM keeps a vector of key_dim and a maximum a head beside S."""
    element_bytes: int = 4
    chunk: int = FUSED_CHUNK
    vectors: int = 0

    def in_words(self) -> str:
        """What it is."""
        name = self.name.replace("_", " ")
        return f"{name} {self.heads} heads of {self.key_dim}x{self.value_dim}"

    @property
    def linears(self) -> tuple[tuple[int, Linear], ...]:
        """Input projections and gates, output projection."""
        inputs = tuple((1, linear) for _, group in self.inputs for linear in group)
        return (*inputs, (1, self.output))

    @property
    def divided(self) -> tuple[tuple[int, str], ...]:
        """Heads of state, and of keys unless all share one."""
        counts = ((self.heads, "heads"), (self.key_heads, "key heads"))
        return tuple((n, f"{what} of linear attention") for n, what in counts if n > 1)

    @property
    def _matrix_bytes(self) -> int:
        beside = self.heads * (self.key_dim + 1) if self.normalizer else 0
        return (self.heads * self.key_dim * self.value_dim + beside) * self.element_bytes

    @property
    def _conv_bytes(self) -> int:
        return conv_state_bytes(self.conv_channels, self.conv_kernel) if self.conv_kernel else 0

    @property
    def state_bytes(self) -> float:
        """S of every head and the last inputs of the convolution."""
        return float(self._matrix_bytes + self._conv_bytes)

    @property
    def elementwise_elements(self) -> int:
        """The gated norm: reads the output and the gate, writes one."""
        return 3 * self.heads * self.value_dim

    def ops(self, step: Coordinates[Q], cache: Format) -> tuple[Work[Q], ...]:
        """Projections, convolution, the recurrence, output projection."""
        tokens = step.tokens
        conv = (
            (convolution("conv1d", step, self.conv_channels, self.conv_kernel),)
            if self.conv_kernel
            else ()
        )
        return (
            *(op for name, group in self.inputs for op in matmul(name, group, tokens)),
            *conv,
            recurrent(
                self.name,
                step,
                heads=self.heads,
                key_heads=self.key_heads,
                key_dim=self.key_dim,
                value_dim=self.value_dim,
                state_bytes=self._matrix_bytes,
                delta=self.delta,
                chunk=self.chunk,
            ),
            *matmul("out_proj", (self.output,), tokens, "row"),
        )


Layout = Literal["fused", "split", "apart"]
"""How a Gated DeltaNet stores its projections: Qwen3-Next, Qwen3.5, OLMo-Hybrid."""


def read_gated_delta_net(config: Config, scope: Scope, *, layout: Layout) -> LinearAttention:
    """Gated DeltaNet with its shapes in the keys that Qwen3-Next introduced."""
    return build_gated_delta_net(
        config,
        scope,
        key_heads=config.integer("linear_num_key_heads"),
        heads=config.integer("linear_num_value_heads"),
        key_dim=config.integer("linear_key_head_dim"),
        value_dim=config.integer("linear_value_head_dim"),
        kernel=config.integer("linear_conv_kernel_dim"),
        layout=layout,
    )


def build_gated_delta_net(
    config: Config,
    scope: Scope,
    *,
    key_heads: int,
    heads: int,
    key_dim: int,
    value_dim: int,
    kernel: int,
    layout: Layout,
) -> LinearAttention:
    """Gated DeltaNet of stated shapes: q, k, v, the output gate z, and b and a a value head."""
    if heads % key_heads:
        raise config.error(
            f"{key_heads} key heads do not divide {heads} value heads", "linear_num_key_heads"
        )
    hidden = hidden_size(config)
    keys, values = key_heads * key_dim, heads * value_dim
    channels = 2 * keys + values
    wide, narrow = {
        "fused": ({"in_proj_qkvz": channels + values}, {"in_proj_ba": 2 * heads}),
        "split": (
            {"in_proj_qkv": channels, "in_proj_z": values},
            {"in_proj_b": heads, "in_proj_a": heads},
        ),
        "apart": (
            {"q_proj": keys, "k_proj": keys, "v_proj": values, "g_proj": values},
            {"b_proj": heads, "a_proj": heads},
        ),
    }[layout]

    def group(widths: dict[str, int]) -> tuple[Linear, ...]:
        return tuple(scope.linear(name, hidden, width) for name, width in widths.items())

    return LinearAttention(
        "gated_delta_rule",
        heads,
        key_heads,
        key_dim,
        value_dim,
        (("in_proj_qkvz", group(wide)), ("in_proj_ba", group(narrow))),
        scope.linear("o_proj" if layout == "apart" else "out_proj", values, hidden),
        channels,
        kernel,
        delta=True,
        element_bytes=state_element_bytes(config),
        # The convolution has no bias; A_log and dt_bias a head, one norm over value_dim.
        vectors=kernel * channels + 2 * heads + value_dim,
    )


def read_kda(
    config: Config, scope: Scope, *, heads: int, dim: int, kernel: int, low_rank: bool
) -> LinearAttention:
    """Kimi Delta Attention: a decay for each key channel.

    Its gates are `low_rank` (through head_dim: Kimi-Linear) or full (Ling-3.0-Flash).
    """
    hidden = hidden_size(config)
    width = heads * dim
    qkv = tuple(scope.linear(name, hidden, width) for name in ("q_proj", "k_proj", "v_proj"))
    beta = scope.linear("b_proj", hidden, heads)
    gates: tuple[tuple[str, tuple[Linear, ...]], ...]
    if low_rank:
        gates = (
            ("gate_a_proj", (scope.linear("f_a_proj", hidden, dim),
                             scope.linear("g_a_proj", hidden, dim), beta)),
            ("f_b_proj", (scope.linear("f_b_proj", dim, width),)),
            ("g_b_proj", (scope.linear("g_b_proj", dim, width),)),
        )  # fmt: skip
    else:
        gates = (
            ("gate_proj", (scope.linear("f_proj", hidden, width),
                           scope.linear("g_proj", hidden, width), beta)),
        )  # fmt: skip
    return LinearAttention(
        "kimi_delta_attention",
        heads,
        heads,
        dim,
        dim,
        (("qkv_proj", qkv), *gates),
        scope.linear("o_proj", width, hidden),
        3 * width,
        kernel,
        delta=True,
        element_bytes=state_element_bytes(config),
        # Convolution, dt_bias of every channel, A_log of every head, the gated norm.
        vectors=kernel * 3 * width + width + heads + dim,
    )


def read_lightning(config: Config, scope: Scope) -> LinearAttention:
    """Lightning attention of MiniMax-Text-01 and M1: a fixed decay a head, no convolution."""
    hidden = hidden_size(config)
    heads = attention_heads(config)
    dim = head_size(config, hidden, heads)
    return LinearAttention(
        "lightning_attention",
        heads,
        heads,
        dim,
        dim,
        (
            ("qkv_proj", (scope.linear("qkv_proj", hidden, 3 * heads * dim),)),
            ("output_gate", (scope.linear("output_gate", hidden, heads * dim),)),
        ),
        scope.linear("out_proj", heads * dim, hidden),
        element_bytes=state_element_bytes(config),
        chunk=config.optional_integer("block_size") or 256,
        vectors=heads * dim,
    )


def read_mlstm(config: Config, scope: Scope, *, keys: int, values: int) -> LinearAttention:
    """The matrix LSTM of xLSTM-7B (arXiv 2503.13427): exponential gates, an output gate."""
    hidden = hidden_size(config)
    heads = config.integer("num_heads")
    if keys % heads or values % heads:
        raise config.error(f"{heads} heads do not divide widths {keys} and {values}", "num_heads")
    bias = config.flag("use_bias", default=False)

    def linear(name: str, width: int) -> Linear:
        return scope.linear(name, hidden, width, bias=bias)

    gates = tuple(
        scope.linear(name, hidden, heads, bias=True) for name in ("igate_preact", "fgate_preact")
    )
    return LinearAttention(
        "mlstm",
        heads,
        heads,
        keys // heads,
        values // heads,
        (
            (
                "qkv_ogate",
                (linear("q", keys), linear("k", keys), linear("v", values),
                 linear("ogate_preact", values)),
            ),
            ("ifgate", gates),
        ),
        scope.linear("out_proj", values, hidden, bias=bias),
        normalizer=True,
        element_bytes=state_element_bytes(config, "inference_state_dtype"),
        chunk=config.optional_integer("chunk_size") or FUSED_CHUNK,
        vectors=values * (1 + bias),
    )  # fmt: skip

"""RWKV-4: attention as a decaying average a channel, and a squared-ReLU MLP (arXiv 2305.13048).

    num = e^w num + e^k v,   den = e^w den + e^k,   out = r (num + e^(u+k) v) / (den + e^(u+k))

with a running maximum of the exponents beside num and den: three fp32 numbers a channel. Both parts
also see the token before (token shift): one vector of the hidden width each. RWKV-5 and later keep
a matrix a head; their configs name code outside of transformers and are not read here.
"""

from __future__ import annotations

from vperf.formats import BF16, Format
from vperf.model.affine import Q
from vperf.model.blocks.base import Block, Scope
from vperf.model.blocks.gqa import hidden_size
from vperf.model.checkpoint import Config
from vperf.model.ops import Coordinates, Linear, Work, decodes, matmul, new_tokens, state_traffic
from vperf.values import dataclass

_STATE_NUMBERS = 3
_STATE_BYTES = 4
_SHIFT_BYTES = 2
_FLOPS = 10
"""Per channel and token of the equation above, without the exponentials."""


@dataclass(frozen=True, slots=True)
class TimeMix(Block):
    """`width` channels, each with a numerator, a denominator and a maximum."""

    width: int
    inputs: tuple[Linear, ...]
    """Key, value and receptance: each of its own mix with the token before."""
    output: Linear
    vectors: int = 0

    def in_words(self) -> str:
        """What it is."""
        return f"RWKV time mix, {self.width} channels"

    @property
    def linears(self) -> tuple[tuple[int, Linear], ...]:
        """key, value, receptance, output."""
        return tuple((1, w) for w in (*self.inputs, self.output))

    @property
    def _average_bytes(self) -> int:
        return self.width * _STATE_NUMBERS * _STATE_BYTES

    @property
    def state_bytes(self) -> float:
        """The averages and the token before."""
        return float(self._average_bytes + self.output.out_features * _SHIFT_BYTES)

    @property
    def elementwise_elements(self) -> int:
        """Three mixes of the token and the one before, written apart."""
        return 5 * self.output.out_features

    def ops(self, step: Coordinates[Q], cache: Format) -> tuple[Work[Q], ...]:
        """Three projections, the average, the output."""
        tokens = step.tokens
        return (
            *(op for w in self.inputs for op in matmul(w.name, (w,), tokens)),
            Work(
                "wkv",
                "recurrent",
                _FLOPS * tokens * self.width,
                BF16,
                cache_bytes=state_traffic(step, self.state_bytes),
                input_elements=3 * tokens * self.width,
                output_elements=tokens * self.width,
                shape=(step.batch, self.width, step.fact(new_tokens), 1, 1),
                decode=step.case(decodes),
                blocks=step.batch * 1,
            ),
            *matmul("output", (self.output,), tokens, "row"),
        )


@dataclass(frozen=True, slots=True)
class ChannelMix(Block):
    """value(relu(key x)^2), gated by a receptance of the hidden width."""

    projections: tuple[Linear, Linear, Linear]
    """Key, receptance, value."""
    vectors: int = 0

    def in_words(self) -> str:
        """What it is."""
        return f"RWKV channel mix {self.projections[0].out_features}"

    @property
    def linears(self) -> tuple[tuple[int, Linear], ...]:
        """key, receptance, value."""
        return tuple((1, w) for w in self.projections)

    @property
    def state_bytes(self) -> float:
        """The token before."""
        return float(self.projections[1].in_features * _SHIFT_BYTES)

    @property
    def elementwise_elements(self) -> int:
        """Two mixes, the squared ReLU, the gate."""
        return 6 * self.projections[1].in_features + 2 * self.projections[0].out_features

    def ops(self, step: Coordinates[Q], cache: Format) -> tuple[Work[Q], ...]:
        """Three matmuls; the token shift rides with the small kernels."""
        key, receptance, value = self.projections
        return (
            *matmul("ffn_key", (key,), step.tokens),
            *matmul("ffn_receptance", (receptance,), step.tokens),
            *matmul("ffn_value", (value,), step.tokens, "row"),
        )


def read_time_mix(config: Config, scope: Scope) -> TimeMix:
    """As RWKV-4 spells it."""
    hidden = hidden_size(config)
    width = config.optional_integer("attention_hidden_size") or hidden
    return TimeMix(
        width,
        tuple(scope.linear(name, hidden, width) for name in ("key", "value", "receptance")),
        scope.linear("output", width, hidden),
        vectors=2 * width + 3 * hidden,  # decay and first of each channel, three mixes
    )


def read_channel_mix(config: Config, scope: Scope) -> ChannelMix:
    """As RWKV-4 spells it: four times the hidden width unless stated."""
    hidden = hidden_size(config)
    width = config.optional_integer("intermediate_size") or 4 * hidden
    return ChannelMix(
        (
            scope.linear("key", hidden, width),
            scope.linear("receptance", hidden, hidden),
            scope.linear("value", width, hidden),
        ),
        vectors=2 * hidden,
    )

"""Step and Op: the work of a forward pass as records, and the op kinds, which return them.

FLOPs and elements follow docs/method.md: a matmul [M, K] @ [K, N] is 2MNK FLOPs and moves
MK + KN + MN elements; attention is two matmuls back to back whose scores never touch memory.
Prefill and decode are the same functions given two Steps. Not here: hardware and time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from vperf.formats import BF16, Format

OpKind = Literal[
    "matmul", "moe", "attention", "mla", "recurrent", "elementwise", "allreduce", "alltoall"
]


COLLECTIVES: frozenset[OpKind] = frozenset({"allreduce", "alltoall"})
"""Exchanges between GPUs: their `input_elements` cross the link, nothing else counts."""


@dataclass(frozen=True, slots=True)
class Step:
    """`batch` sequences, each with `past` tokens cached, each adding `new` tokens.

    Prefill of a prompt is (b, prompt, 0), decode is (b, 1, context); a chunk of a chunked prefill
    and the verification of a draft are other values.
    """

    batch: int
    new: int
    past: int
    outputs: int = 1
    """Positions of each sequence that go through the LM head: the last one; all that verify a
    draft."""

    @property
    def tokens(self) -> int:
        """Rows of every matmul of the step."""
        return self.batch * self.new


@dataclass(frozen=True, slots=True)
class Reach:
    """Which keys a query reads: all, the last `window`, its own `chunk`, or the `top` best."""

    window: int | None = None
    chunk: int | None = None
    top: int | None = None
    """So many of all keys, picked by an indexer: the cache still holds every one."""

    @property
    def most(self) -> int | None:
        """Beyond so many keys a query reads no more; None: it reads all."""
        return self.window or self.top

    def named(self, name: str) -> str:
        """The name of an op of this reach."""
        if self.top is not None:
            return f"{name}[sparse]"
        return name if self == FULL else f"{name}[window]"

    def keys(self, position: int) -> int:
        """Keys that the query at 0-based `position` reads, itself included."""
        if self.chunk is not None:
            return position % self.chunk + 1
        return position + 1 if self.most is None else min(position + 1, self.most)

    def cached_keys(self, past: int) -> int:
        """Keys of `past` cached tokens that the next query still reads."""
        return self.keys(past) - 1

    def pairs(self, new: int, past: int) -> int:
        """(query, key) pairs of `new` causal queries after `past` tokens: exact."""
        if self.chunk is not None:
            return _chunked_pairs(past + new, self.chunk) - _chunked_pairs(past, self.chunk)
        ramp = self.ramp(new, past)
        flat = (new - ramp) * (self.most or 0)
        return ramp * past + ramp * (ramp + 1) // 2 + flat

    def ramp(self, new: int, past: int) -> int:
        """How many of the `new` queries still see every token before them."""
        if self.most is None:
            return new
        return min(new, max(0, self.most - past))


def _chunked_pairs(length: int, chunk: int) -> int:
    whole, rest = divmod(length, chunk)
    return whole * (chunk * (chunk + 1) // 2) + rest * (rest + 1) // 2


FULL = Reach()


@dataclass(frozen=True, slots=True)
class Linear:
    """A weight [out, in], perhaps with a bias, under its checkpoint name."""

    name: str
    in_features: int
    out_features: int
    format: Format = BF16
    bias: bool = False
    parts: int | None = None
    """Tensor parallelism can divide it into so many and copies them to further ranks: KV heads.
    1: every rank has it whole (a router). None: as many as there are ranks."""

    def copied(self, ways: int) -> Linear:
        """As `ways` ranks hold it together: each of them has an equal share of this."""
        copies = ways // self.parts if self.parts else 1
        return self if copies <= 1 else replace(self, out_features=copies * self.out_features)

    @property
    def parameters(self) -> int:
        """Elements stored, bias included."""
        return self.in_features * self.out_features + (self.out_features if self.bias else 0)

    @property
    def stored_bytes(self) -> float:
        """Bytes stored, scales and a 16-bit bias included."""
        bias = 2 * self.out_features if self.bias else 0
        return self.format.stored_bytes(self.out_features, self.in_features) + bias


@dataclass(frozen=True, slots=True)
class Op:
    """Work of one kernel (or a fused group), run `count` times in a step. Counts, not times."""

    name: str
    kind: OpKind
    flops: float
    format: Format
    """Of the operand that decides the pipe: the weight, or the KV cache."""
    weight_bytes: float = 0.0
    cache_bytes: float = 0.0
    """KV cache or recurrent state that must be read."""
    input_elements: float = 0.0
    output_elements: float = 0.0
    shape: tuple[int, ...] = ()
    """Of a matmul (M, K, N); of attention (sequences, heads, new, keys, head_dim)."""
    count: int = 1
    decode: bool = False
    """Attention by the split-KV kernel: few queries per sequence."""
    score_pairs: float = 0.0
    """heads x (query, key) pairs: one exponential each."""
    tile_queries: float = 0.0
    """heads x queries whose last tile of keys is half wasted: s0/2 extra keys each."""
    blocks: float = 0.0
    """Independent (sequence, KV head) pairs of decode attention."""
    launches: float = 1.0

    @property
    def streamed_bytes(self) -> float:
        """What must come from memory: weights and cache, not activations."""
        return self.weight_bytes + self.cache_bytes


def matmul(name: str, weights: Iterable[Linear], rows: int) -> tuple[Op, ...]:
    """[rows, K] @ [K, N] for weights that share their input, fused as engines fuse them.

    Weights of different formats cannot be fused and give an op for each format.
    """
    groups: dict[Format, list[Linear]] = {}
    for weight in weights:
        groups.setdefault(weight.format, []).append(weight)
    return tuple(
        Op(
            name if len(groups) == 1 else f"{name}[{fmt.name}]",
            "matmul",
            2.0 * rows * k * n,
            fmt,
            weight_bytes=sum(w.stored_bytes for w in group),
            input_elements=rows * k,
            output_elements=rows * n,
            shape=(rows, k, n),
        )
        for fmt, group in groups.items()
        for k, n in [(group[0].in_features, sum(w.out_features for w in group))]
    )


DECODE_KERNEL_MAX_NEW = 16
"""Up to so many new tokens a sequence (decode, speculative verification) engines run the split-KV
decode kernel: the query tile of one KV head is not yet full."""


def attention(
    name: str,
    step: Step,
    *,
    heads: int,
    kv_heads: int,
    qk_dim: int,
    v_dim: int,
    cache: Format,
    reach: Reach = FULL,
    keys_shared: bool = False,
) -> Op:
    """Softmax(QK')V, causal: 2 (qk_dim + v_dim) FLOPs per head and (query, key) pair.

    Reads Q and the cached K and V once per KV head, the new K and V, writes O; P and S stay on
    chip (FlashAttention). `keys_shared`: V is a slice of K and read with it (MLA absorbed).
    """
    pairs = step.batch * reach.pairs(step.new, step.past)
    cached = step.batch * reach.cached_keys(step.past)
    width = kv_heads * (qk_dim if keys_shared else qk_dim + v_dim)
    ramp = step.batch * reach.ramp(step.new, step.past)
    return Op(
        name,
        "attention",
        2.0 * heads * pairs * (qk_dim + v_dim),
        cache,
        cache_bytes=cached * width * cache.bytes_per_element,
        input_elements=step.tokens * (heads * qk_dim + width),
        output_elements=step.tokens * heads * v_dim,
        shape=(step.batch, heads, step.new, reach.keys(step.past + step.new - 1), qk_dim),
        decode=step.new <= DECODE_KERNEL_MAX_NEW,
        score_pairs=float(heads * pairs),
        tile_queries=heads * (ramp + 2.0 * (step.tokens - ramp)),
        blocks=float(step.batch * kv_heads),
    )


def decodes(step: Step) -> bool:
    """Whether `step` adds so few tokens that kernels take them one after another."""
    return step.new <= DECODE_KERNEL_MAX_NEW


def state_traffic(step: Step, state_bytes: float) -> float:
    """Bytes of recurrent state that `step` moves: read (unless it starts from zeros), written."""
    return step.batch * state_bytes * (2 if step.past else 1)


def recurrent(
    name: str,
    step: Step,
    *,
    heads: int,
    key_heads: int,
    key_dim: int,
    value_dim: int,
    state_bytes: float,
    delta: bool,
    chunk: int,
) -> Op:
    """S = a S + k v', o = S' q in every head; with `delta`: S = a (S - b k (k' S)) + b k v'.

    Token by token (decode): 1 + 2 + 2 FLOPs per element of S for decay, update and output, and 2
    more for k' S. In chunks of C tokens (prefill), all as matmuls: S' q, the update and k' S once
    a token (2 each per element of S), and inside the chunk, for each of its (query, key) pairs,
    q' k and the sum of values; the delta rule adds k' k and the triangular solve (Yang et al. 2024,
    arXiv 2412.06464, section 3.3). A kernel that solves for two right sides does more: a bound.
    The state is read and written each step (only written by the first): both are cache_bytes.
    """
    tokens = step.tokens
    if decodes(step):
        flops = tokens * heads * key_dim * value_dim * (7 if delta else 5)
    else:
        pairs = step.batch * _chunked_pairs(step.new, chunk)
        flops = tokens * heads * key_dim * value_dim * (6 if delta else 4)
        if delta:
            flops += 2 * (2 * pairs - tokens) * heads * (key_dim + value_dim)
        else:
            flops += 2 * pairs * (key_heads * key_dim + heads * value_dim)
    return Op(
        name,
        "recurrent",
        float(flops),
        BF16,
        cache_bytes=state_traffic(step, state_bytes),
        input_elements=tokens * (2 * key_heads * key_dim + heads * value_dim),
        output_elements=tokens * heads * value_dim,
        shape=(step.batch, heads, step.new, key_dim, value_dim),
        decode=decodes(step),
        blocks=float(step.batch * heads),
    )


def distinct_experts(tokens: int, experts: int, active: int) -> float:
    """Expected number of experts touched by `tokens` under uniform routing.

    E (1 - (1 - k/E)^T): each token leaves an expert alone with probability 1 - k/E.
    """
    if active >= experts:
        return float(experts)
    return experts * (1.0 - (1.0 - active / experts) ** tokens)

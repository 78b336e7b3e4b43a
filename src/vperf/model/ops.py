"""Step and Work: what a forward pass is asked, and the work of its kernels.

FLOPs and elements follow docs/method.md: a matmul [M, K] @ [K, N] is 2MNK FLOPs and moves
MK + KN + MN elements; attention is two matmuls back to back whose scores never touch memory.
Prefill and decode are the same functions given two Steps, and the same functions give numbers of a
Step (`Op`) and Affines of any step of its kind (`Row`). Not here: hardware, time, layers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable
from dataclasses import replace
from functools import lru_cache
from typing import Any, Generic, Literal, NamedTuple, Protocol, TypeVar, overload

from vperf.formats import BF16, Format
from vperf.model.affine import Affine, Coordinate, Q, Quantity, longest
from vperf.values import dataclass

OpKind = Literal[
    "matmul", "moe", "attention", "mla", "recurrent", "elementwise", "allreduce", "alltoall",
    "transfer",
]  # fmt: skip

COLLECTIVES: frozenset[OpKind] = frozenset({"allreduce", "alltoall"})
"""Exchanges between GPUs: their `input_elements` cross the link, nothing else counts."""

Split = Literal["column", "row", "blocks", "whole"]
"""How tensor parallelism divides a matmul. column: each rank has some outputs of all inputs. row:
it consumes divided columns, so that its input is divided and its output a partial sum. blocks: of a
block-diagonal weight each rank has its own blocks, their inputs and their outputs. whole: every
rank computes all of it."""

Adapts = Literal["", "matmul", "experts"]

Role = Literal["", "draft"]
"""What a pass is for: the model's own, or drafting tokens for it to verify."""

Q_co = TypeVar("Q_co", bound=Quantity, covariant=True)


class Coordinates(Protocol[Q_co]):
    """What a mechanism reads of a step: a Step gives numbers, rows.Symbols Affines."""

    @property
    def batch(self) -> Q_co:
        """Sequences."""

    @property
    def tokens(self) -> Q_co:
        """New tokens of all sequences: rows of every matmul of the step."""

    def fact(self, function: Callable[..., float], *of: Hashable) -> Q_co:
        """What `function` of the step is: any number that is not affine in the others."""

    def case(self, test: Callable[..., bool], *of: Hashable) -> bool:
        """Whether the step passes a test that decides which ops there are."""

    def seen_as(self, view: Callable[..., Step], *of: Hashable) -> Coordinates[Q_co]:
        """The coordinates of the step that `view` makes of this one."""


class Step(NamedTuple):
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

    @property
    def reads_prompts(self) -> bool:
        """Whether tokens go in of which none comes out; of a prompt of one token none does."""
        return self.new > self.outputs

    def fact(self, function: Callable[..., float], *of: Hashable) -> float:
        """The number itself."""
        return function(self, *of)

    def case(self, test: Callable[..., bool], *of: Hashable) -> bool:
        """The outcome itself."""
        return test(self, *of)

    def seen_as(self, view: Callable[..., Step], *of: Hashable) -> Step:
        """The other step itself."""
        return view(self, *of)


@dataclass(frozen=True, slots=True)
class Visibility:
    """Which keys a query sees: all, the last `window`, its own `chunk`, or the `top` best."""

    window: int | None = None
    chunk: int | None = None
    top: int | None = None
    """So many of all keys, picked by an indexer: the cache still holds every one."""

    @property
    def most(self) -> int | None:
        """Beyond so many keys a query reads no more; None: it reads all."""
        return self.window or self.top

    def in_words(self) -> str:
        """What it leaves out, to follow the words of a mechanism."""
        if self.chunk:
            return f", chunks of {self.chunk}"
        if self.window:
            return f", window {self.window}"
        return f", best {self.top} keys" if self.top else ""

    def named(self, name: str) -> str:
        """The name of an op of this visibility."""
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


FULL = Visibility()

# Coordinates of a step that are not multiples of its sequences or tokens. Those of several steps
# that run as one add up, but for the `longest` and what is a function of their tokens together.


def sequences(step: Step) -> float:
    """Step.batch."""
    return step.batch


def tokens(step: Step) -> float:
    """Step.tokens."""
    return step.batch * step.new


def outputs(step: Step) -> float:
    """Rows of the LM head."""
    return step.batch * step.outputs


def seen_pairs(step: Step, visibility: Visibility) -> float:
    """(query, key) pairs."""
    batch, new, past, _ = step
    if visibility is FULL:  # so often that it is worth a line
        return batch * (new * past + new * (new + 1) // 2)
    return batch * visibility.pairs(new, past)


def seen_keys(step: Step, visibility: Visibility) -> float:
    """Cached keys read."""
    batch, _, past, _ = step
    return batch * past if visibility is FULL else batch * visibility.cached_keys(past)


def band_queries(step: Step, visibility: Visibility) -> float:
    """Queries that no longer see every token before them."""
    return step.batch * (step.new - visibility.ramp(step.new, step.past))


def all_pairs(step: Step) -> float:
    """Pairs of new tokens that see each other both ways."""
    return step.batch * step.new * step.new


def near_pairs(step: Step, reach: int) -> float:
    """Pairs of new tokens of which neither is more than `reach` positions from the other."""
    side = min(reach, step.new - 1)
    return step.batch * (step.new * (2 * side + 1) - side * (side + 1))


def chunk_pairs(step: Step, chunk: int) -> float:
    """(query, key) pairs inside the chunks of a recurrence."""
    return step.batch * _chunked_pairs(step.new, chunk)


@longest
def new_tokens(step: Step) -> float:
    """Of one sequence; of unequal ones, the longest."""
    return step.new


@longest
def last_keys(step: Step, visibility: Visibility) -> float:
    """Keys that the last query of a sequence reads; of unequal ones, the most."""
    return visibility.keys(step.past + step.new - 1)


def touched_experts(step: Step, experts: int, active: int) -> float:
    """Distinct experts that the tokens of the step are routed to."""
    return distinct_experts(step.tokens, experts, active)


def popular_experts(step: Step, experts: int, active: int) -> float:
    """The same where the router has favourites."""
    return distinct_popular_experts(step.tokens, experts, active)


def few_tokens(step: Step, most: int, beyond: float) -> float:
    """The tokens of a step up to `most`, of more so many."""
    return step.tokens if step.tokens <= most else beyond


def few_outputs(step: Step, most: int, beyond: float) -> float:
    """The same of the tokens whose logits a step computes."""
    rows = outputs(step)
    return rows if rows <= most else beyond


_EVERY_GROUP = -1


def few(rows: Any, most: int, beyond: float) -> Any:
    """The rows of a matmul up to `most`, of more so many: of an Op, or of any step's tokens."""
    if not isinstance(rows, Affine):
        return rows if rows <= most else beyond
    of_head = any(at.function is outputs for at in rows.terms)
    counts = few_outputs if of_head else few_tokens
    return Affine({Coordinate(counts, (most, beyond), group=_EVERY_GROUP): 1.0})


OF_ALL_TOKENS: frozenset[Callable[..., float]] = frozenset(
    {touched_experts, popular_experts, few_tokens, few_outputs}
)
"""Of a mixed step: functions of the tokens of all its sequences."""

DECODE_KERNEL_MAX_NEW = 16
"""Up to so many new tokens a sequence (decode, speculative verification) engines run the split-KV
decode kernel: the query tile of one KV head is not yet full."""


def decodes(step: Step) -> bool:
    """Whether `step` adds so few tokens that kernels take them one after another, or verifies
    drafts, of a tree also more of them."""
    return step.new <= DECODE_KERNEL_MAX_NEW or step.outputs == step.new


def starts(step: Step) -> bool:
    """Whether nothing is cached before the step."""
    return step.past == 0


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
    bias_bytes: float = 2.0
    """Of an element of the bias: 16 bit, in GGUF files 32."""

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
        """Bytes stored, scales and a bias included."""
        bias = self.bias_bytes * self.out_features if self.bias else 0
        return self.format.stored_bytes(self.out_features, self.in_features) + bias


@dataclass(frozen=True, slots=True)
class Work(Generic[Q]):
    """Work of one kernel (or a fused group), run `count` times in a step. Counts, not times.

    What it does in one run is a number (`Op`) or an Affine (`Row`).
    """

    name: str
    kind: OpKind
    flops: Q | float
    format: Format
    """Of the operand that decides the pipe: the weight, or the KV cache."""
    weight_bytes: Q | float = 0.0
    cache_bytes: Q | float = 0.0
    """KV cache or recurrent state that must be read."""
    input_elements: Q | float = 0.0
    output_elements: Q | float = 0.0
    shape: tuple[Any, ...] = ()
    """Of a matmul (M, K, N); of attention (sequences, heads, new, keys, head_dim). What depends on
    the step is an Affine in a Row."""
    count: int = 1
    split: Split = "whole"
    """Of a matmul; of a convolution, whose channels are its blocks."""
    decode: bool = False
    """Attention by the split-KV kernel, or a recurrence token by token: few queries a sequence."""
    score_pairs: Q | float = 0.0
    """heads x (query, key) pairs: one exponential each."""
    queries: Q | float = 0.0
    """heads x new tokens."""
    edges: Q | float = 0.0
    """Those of them whose last tile of keys is half wasted: s0/2 extra keys each."""
    band: Q | float = 0.0
    """Those of them along a window, whose first tile is half wasted too."""
    blocks: Q | float = 0.0
    """Independent (sequence, KV head) pairs of attention."""
    launches: float = 1.0
    least_bytes: Q | float | None = None
    """Weights that any routing of tokens to experts must read; None: all weight_bytes, which
    are those of even routing."""
    popular_bytes: Q | float | None = None
    """Weights that are read where some experts are more popular than others; None: weight_bytes."""
    modules: tuple[tuple[str, int], ...] = ()
    """Of a matmul or of experts, the weights that an adapter can be of, with their outputs: no
    routers, nothing that every rank does; the one that goes down an expert last."""
    least_flops: Q | float | None = None
    """Those that any way to share a prompt among GPUs must do on each; None: all flops."""
    of_keys: bool = False
    """Of a matmul: its rows are the keys that are attended to, not the new tokens."""
    sinks: bool = False
    """Attention whose softmax has a learned sink, which not every flash attention can add."""
    encoded_elements: Q | float = 0.0
    """Those of input_elements that are of layers that read both ways, whose small kernels not every
    engine fuses."""

    adapts: Adapts = ""
    """What an adapter's kernel is beside."""

    @property
    def streamed_bytes(self) -> Q | float:
        """What must come from memory: weights and cache, not activations."""
        return self.weight_bytes + self.cache_bytes

    @property
    def bounding_flops(self) -> Q | float:
        """FLOPs that the limit counts."""
        return self.flops if self.least_flops is None else self.least_flops

    @property
    def least_streamed_bytes(self) -> Q | float:
        """The same for the luckiest routing: what the limit counts."""
        weights = self.weight_bytes if self.least_bytes is None else self.least_bytes
        return weights + self.cache_bytes


Op = Work[float]
Row = Work[Affine]


@overload
def matmul(
    name: str,
    weights: Iterable[Linear],
    rows: float,
    split: Split = "column",
    *,
    adapts: bool = True,
) -> tuple[Op, ...]: ...
@overload
def matmul(
    name: str, weights: Iterable[Linear], rows: Q, split: Split = "column", *, adapts: bool = True
) -> tuple[Work[Q], ...]: ...
def matmul(
    name: str, weights: Iterable[Linear], rows: Any, split: Split = "column", *, adapts: bool = True
) -> tuple[Work[Any], ...]:
    """[rows, K] @ [K, N] for weights that share their input, fused as engines fuse them.

    Weights of different formats cannot be fused and give an op for each format. `adapts`: LoRA
    adapters may be of them.
    """
    groups: dict[Format, list[Linear]] = {}
    for weight in weights:
        groups.setdefault(weight.format, []).append(weight)
    return tuple(
        Work(
            name if len(groups) == 1 else f"{name}[{fmt.name}]",
            "matmul",
            2.0 * rows * k * n,
            fmt,
            weight_bytes=sum(w.stored_bytes for w in group),
            input_elements=rows * k,
            output_elements=rows * n,
            shape=(rows, k, n),
            split=split,
            modules=tuple((w.name, w.out_features) for w in group)
            if adapts and split != "whole" else (),
        )
        for fmt, group in groups.items()
        for k, n in [(group[0].in_features, sum(w.out_features for w in group))]
    )  # fmt: skip


def attention(
    name: str,
    step: Coordinates[Q],
    *,
    heads: int,
    kv_heads: int,
    qk_dim: int,
    v_dim: int,
    cache: Format,
    visibility: Visibility = FULL,
    keys_shared: bool = False,
    sinks: bool = False,
) -> Work[Q]:
    """Softmax(QK')V, causal: 2 (qk_dim + v_dim) FLOPs per head and (query, key) pair.

    Reads Q and the cached K and V once per KV head, the new K and V, writes O; P and S stay on
    chip (FlashAttention). `keys_shared`: V is a slice of K and read with it (MLA absorbed).
    """
    pairs = step.fact(seen_pairs, visibility)
    width = kv_heads * (qk_dim if keys_shared else qk_dim + v_dim)
    tokens = step.tokens
    narrowed = visibility.most is not None
    return Work(
        name,
        "attention",
        2.0 * heads * pairs * (qk_dim + v_dim),
        cache,
        cache_bytes=step.fact(seen_keys, visibility) * width * cache.bytes_per_element,
        input_elements=tokens * (heads * qk_dim + width),
        output_elements=tokens * heads * v_dim,
        shape=(step.batch, heads, step.fact(new_tokens), step.fact(last_keys, visibility), qk_dim),
        decode=step.case(decodes),
        score_pairs=heads * pairs,
        queries=heads * tokens,
        edges=heads * tokens,
        band=heads * step.fact(band_queries, visibility) if narrowed else 0.0,
        blocks=step.batch * kv_heads,
        sinks=sinks,
    )


def both_ways(
    core: Work[Q], step: Coordinates[Q], heads: int, width: int, reach: int | None
) -> Work[Q]:
    """The attention of `heads`, whose K and V are so wide together, where positions see each other
    both ways: all, or those near."""
    seen = step.fact(all_pairs) if reach is None else step.fact(near_pairs, reach)
    pairs = heads * seen
    return replace(
        core, flops=2.0 * width * pairs, score_pairs=pairs, edges=0.0, band=0.0, decode=False
    )


def state_traffic(step: Coordinates[Q], state_bytes: float) -> Q:
    """Bytes of recurrent state that `step` moves: read (unless it starts from zeros), written."""
    return step.batch * state_bytes * (1 if step.case(starts) else 2)


def recurrent(
    name: str,
    step: Coordinates[Q],
    *,
    heads: int,
    key_heads: int,
    key_dim: int,
    value_dim: int,
    state_bytes: float,
    delta: bool,
    chunk: int,
) -> Work[Q]:
    """S = a S + k v', o = S' q in every head; with `delta`: S = a (S - b k (k' S)) + b k v'.

    Token by token (decode): 1 + 2 + 2 FLOPs per element of S for decay, update and output, and 2
    more for k' S. In chunks of C tokens (prefill), all as matmuls: S' q, the update and k' S once
    a token (2 each per element of S), and inside the chunk, for each of its (query, key) pairs,
    q' k and the sum of values; the delta rule adds k' k and the triangular solve (Yang et al. 2024,
    arXiv 2412.06464, section 3.3). A kernel that solves for two right sides does more: a bound.
    The state is read and written each step (only written by the first): both are cache_bytes.
    """
    tokens, one_by_one = step.tokens, step.case(decodes)
    if one_by_one:
        flops = tokens * heads * key_dim * value_dim * (7 if delta else 5)
    else:
        pairs = step.fact(chunk_pairs, chunk)
        flops = tokens * heads * key_dim * value_dim * (6 if delta else 4)
        if delta:
            flops += 2 * (2 * pairs - tokens) * heads * (key_dim + value_dim)
        else:
            flops += 2 * pairs * (key_heads * key_dim + heads * value_dim)
    return Work(
        name,
        "recurrent",
        flops,
        BF16,
        cache_bytes=state_traffic(step, state_bytes),
        input_elements=tokens * (2 * key_heads * key_dim + heads * value_dim),
        output_elements=tokens * heads * value_dim,
        shape=(step.batch, heads, step.fact(new_tokens), key_dim, value_dim),
        decode=one_by_one,
        blocks=step.batch * heads,
    )


def distinct_experts(tokens: float, experts: int, active: int) -> float:
    """Expected number of experts touched by `tokens` under uniform routing.

    E (1 - (1 - k/E)^T): each token leaves an expert alone with probability 1 - k/E.
    """
    if active >= experts:
        return float(experts)
    return float(experts * (1.0 - (1.0 - active / experts) ** tokens))


POPULARITY_SIGMA = 1.25
"""Of the logarithm of an expert's popularity (docs/method.md)."""
_KINDS_OF_EXPERTS = 48
"""Quantiles of popularity that stand for all experts."""


@lru_cache(maxsize=4096)
def distinct_popular_experts(tokens: float, experts: int, active: int) -> float:
    """Expected number of experts touched by `tokens` whose router favours some.

    Popularity is log-normal; a token takes each expert with a probability in proportion to it, at
    most 1, so that it takes `active` of them on average.
    """
    if active >= experts:
        return float(experts)
    shares = _taken(experts, active)
    touched = math.fsum(1.0 - (1.0 - share) ** tokens for share in shares)
    return experts * touched / len(shares)


@lru_cache(maxsize=256)
def _taken(experts: int, active: int) -> tuple[float, ...]:
    """The probability that a token takes an expert, by quantile of popularity."""
    from statistics import NormalDist  # noqa: PLC0415  (models without experts need none)

    kinds = min(experts, _KINDS_OF_EXPERTS)
    of = NormalDist(sigma=POPULARITY_SIGMA)
    popular = [math.exp(of.inv_cdf((kind + 0.5) / kinds)) for kind in range(kinds)]
    wanted = active / experts * kinds
    sure = 0  # of the most popular, which every token takes
    while True:
        rest = popular[: kinds - sure]
        factor = (wanted - sure) / sum(rest)
        if factor * rest[-1] <= 1.0:
            return (*[factor * each for each in rest], *[1.0] * sure)
        sure += 1

"""Model: layers of blocks between an embedding and a head, its parameters and the bytes it stores.

The count comes from the same blocks as the ops of a step (rows.py), so it must equal the
checkpoint's to the unit: a free oracle for the shapes of the ops. Not here: hardware, time, files,
configs (read.py), how a model is divided (divide.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cached_property
from typing import Literal

from vperf.formats import Format
from vperf.model.blocks.base import Block
from vperf.model.cache import CacheSize, Span, cache_size
from vperf.model.divide import SINGLE, Parallel
from vperf.model.drafter import Drafter
from vperf.model.lora import Lora
from vperf.model.ops import Linear, Op, Step
from vperf.model.rows import RowTable, row_at
from vperf.values import dataclass

_ENOUGH_FOR_ALL = 2**20
"""Tokens that are routed to every expert there is."""


@dataclass(frozen=True, slots=True)
class LayerKind:
    """Layers that are equal in every respect, counted."""

    blocks: tuple[Block, ...]
    norm_elements: int
    norms_behind: int = 0
    """Norms of what a mechanism puts out, before it is added to the residual (Gemma 2)."""

    @property
    def vectors(self) -> int:
        """Norms, sinks and the like of one such layer."""
        return self.norm_elements + sum(block.vectors for block in self.blocks)

    @property
    def parameters(self) -> int:
        """Of one such layer."""
        return self.vectors + sum(
            n * w.parameters for block in self.blocks for n, w in block.linears
        )


@dataclass(frozen=True, slots=True)
class Held:
    """What one place of several holds (model/placement.py)."""

    weight_bytes: float
    cached_layers: tuple[int, ...]
    """Layers of each kind whose cache is there."""
    adapter_bytes: float = 0.0
    """Of the weights, those of adapters."""


@dataclass(frozen=True)
class Model:
    """A transformer as layers of blocks between an embedding and an LM head."""

    model_type: str
    hidden: int
    kinds: tuple[tuple[int, LayerKind], ...]
    """(how many, layer kind) in order of first appearance."""
    embedding: Linear
    head: Linear | None
    """None: an embedding model. A tied head is stored once and streamed once."""
    tied: bool
    other_parameters: int
    """Final norm, learned positions, head bias of a tied head."""
    tower_parameters: int
    """Vision or audio tower: stored, not part of a text step."""
    quantization: str
    cache: Format
    cache_name: str
    max_context_tokens: int | None
    assumptions: tuple[str, ...] = ()
    lookups: tuple[Linear, ...] = ()
    """Tables beside the embedding of which a token reads one row: stored, not streamed."""
    outside: tuple[Block, ...] = ()
    """Mechanisms that run once a step, outside of the layers."""
    mtp_layers: int = 0
    """Multi-token-prediction modules the config states; not in `parameters`, not in a step."""
    mtp: LayerKind | None = None
    """One of them, where its shape is known."""
    drafter: Drafter | None = None
    """What drafts tokens for every step, which then counts it in memory; None: nothing does."""
    lora: Lora | None = None
    """Adapters beside the weights of its layers, which memory then counts."""
    encoder: tuple[tuple[int, LayerKind], ...] = ()
    """Of an encoder-decoder: the layers that read the prompt, in the one step without a past."""
    vector_bytes: float = 2.0
    """Of an element of a norm: 16 bit, in GGUF files 32."""
    images: bool = False
    """Whether an image becomes tokens of the prompt."""
    diffuses: bool = False
    """Whether a step denoises a block of tokens (diffusion language models)."""
    generates: bool = True
    """Whether tokens come after the prompt; an encoder, an embedding model or a classifier has its
    answer when the prompt is read, so that there is no decode."""
    task: Literal["generate", "embed", "rerank", "classify"] = "generate"
    """What it is run for; of one that generates nothing, as its head says."""
    config_keys: tuple[str, ...] = ()
    """What was read of the text model's config."""
    parallel: Parallel = SINGLE
    """How the model is divided over GPUs; `work` and `rank_*` are of one of them."""
    order: tuple[int, ...] = ()
    """The kind of each layer, by its place in `kinds`, in the order in which they run."""
    held: Held | None = None
    """What a card holds where layers or experts lie on other cards or a host; None: its share."""

    @cached_property
    def stored_kinds(self) -> tuple[tuple[int, LayerKind], ...]:
        """All that has layers' kind of weights: layers, what is outside of them, the encoder."""
        return (*self.kinds, (1, LayerKind(self.outside, 0)), *self.encoder)

    @cached_property
    def layer_count(self) -> int:
        """Decoder layers."""
        return sum(count for count, _ in self.kinds)

    @cached_property
    def parameters(self) -> int:
        """Everything a checkpoint of this config stores."""
        return (
            sum(count * kind.parameters for count, kind in self.stored_kinds)
            + sum(table.parameters for table in self.lookups)
            + self.embedding.in_features * self.embedding.out_features
            + (self.head.parameters if self.head and not self.tied else 0)
            + self.other_parameters
            + self.tower_parameters
        )

    @property
    def mtp_parameters(self) -> int | None:
        """Of all multi-token-prediction modules, without copies of the embedding and the head."""
        if not self.mtp_layers:
            return 0
        return self.mtp_layers * self.mtp.parameters if self.mtp else None

    @property
    def draft(self) -> Model | None:
        """One pass of what drafts."""
        return self.drafter.model if self.drafter else None

    @property
    def draft_tokens(self) -> int:
        """Tokens that a step verifies beside the one it has; 0: nothing drafts."""
        return self.drafter.tokens if self.drafter else 0

    @property
    def draft_depth(self) -> int:
        """Drafts in a row, as many of which as can be accepted; 0: nothing drafts."""
        return self.drafter.depth if self.drafter else 0

    @property
    def drafted_in_a_row(self) -> int:
        """Drafts that something makes one after another: a block that is denoised has none."""
        return self.drafter.passes if self.drafter and not self.diffuses else 0

    @cached_property
    def mtp_module(self) -> Model | None:
        """One MTP module as a model: its layer, and the embedding and LM head that it shares."""
        if self.mtp is None:
            return None
        return replace(
            self, kinds=((1, self.mtp),), embedding=Linear("embed_tokens", 0, 0), tied=True,
            other_parameters=0, tower_parameters=0, lookups=(), outside=(), encoder=(),
            mtp_layers=0, mtp=None, drafter=None, lora=None,
        )  # fmt: skip

    @cached_property
    def active_parameters(self) -> int:
        """Of a text token: without towers and the experts that it is not routed to."""
        return (
            self.parameters
            - self.tower_parameters
            - sum(
                count * block.idle_parameters for count, kind in self.kinds for block in kind.blocks
            )
        )

    @property
    def has_experts(self) -> bool:
        """Whether tokens are routed to some of several experts."""
        return any(block.expert_split[0] for _, kind in self.kinds for block in kind.blocks)

    def routed_elements(self, ways: int) -> float:
        """The most that a token's routed experts write in a layer, on one of so many ranks."""
        return max(
            (block.routed_elements(ways) for _, kind in self.kinds for block in kind.blocks),
            default=0.0,
        )

    @property
    def favours_experts(self) -> bool:
        """Whether a router has favourites (blocks/moe.py)."""
        return any(block.favours_experts for _, kind in self.kinds for block in kind.blocks)

    @cached_property
    def weight_bytes(self) -> float:
        """Bytes resident in memory."""
        matrices = sum(
            count * n * w.stored_bytes
            for count, kind in self.stored_kinds
            for block in kind.blocks
            for n, w in block.linears
        ) + sum(table.stored_bytes for table in self.lookups)
        head = self.head.stored_bytes if self.head and not self.tied else 0.0
        return (
            matrices + head + self.embedding.stored_bytes
            + self.vector_bytes * (self._vectors + self._encoder_vectors + self.other_parameters)
            + 2.0 * self.tower_parameters
        )  # fmt: skip

    @cached_property
    def rank_weight_bytes(self) -> float:
        """Bytes resident on one GPU: experts divided over a stage, the rest by tensor parallelism.

        Routers, norms and other small vectors are on every rank; what drafts is on the last stage.
        """
        if self.held is not None:
            return self.held.weight_bytes
        drafting = self.drafter.rank_weight_bytes if self.drafter else 0.0
        return self._rank_weight_bytes + drafting + self.rank_adapter_bytes

    @cached_property
    def rank_adapter_bytes(self) -> float:
        """Of all adapters on one GPU."""
        if self.lora is None:
            return 0.0
        if self.held is not None:
            return self.held.adapter_bytes
        every = Step(1, _ENOUGH_FOR_ALL, 1)  # tokens for all experts
        own = sum(op.count * op.weight_bytes for op in self.ops(every))
        plain = replace(self, lora=None)
        bare = sum(op.count * op.weight_bytes for op in plain.ops(every))
        return self.lora.adapters * (own - bare) / self.parallel.pipeline

    @property
    def _rank_weight_bytes(self) -> float:
        if self.parallel == SINGLE:
            return self.weight_bytes
        p = self.parallel
        layers = sum(count * self.rank_layer_bytes(kind) for count, kind in self.stored_kinds)
        first = sum(t.stored_bytes for t in (*self.lookups, self.embedding))
        first += 2.0 * self.tower_parameters
        last = self.head.stored_bytes if self.head and not self.tied else 0.0
        outer = first + last if p.pipeline == 1 else max(first, last)
        small = self._vectors + self._encoder_vectors + self.other_parameters
        return (layers + self.vector_bytes * small) / p.pipeline + outer / p.tensor

    def rank_layer_bytes(self, kind: LayerKind) -> float:
        """Matrices of one such layer on one GPU of its stage."""
        return sum(
            count * w.stored_bytes
            for block in kind.blocks
            for _, count, w in self.rank_linears(block)
        )

    def rank_linears(self, block: Block) -> Iterator[tuple[int, float, Linear]]:
        """(how many in all, how many of them one GPU holds, matrix) of a block."""
        p = self.parallel
        held, ways = (block, 1) if block.whole else (block.copied(p.tensor), p.tensor)
        for n, w in held.linears:
            yield n, (-(-n // p.expert) / p.expert_ways if n > 1 else n / ways), w

    @cached_property
    def rank_cache(self) -> CacheSize:
        """Cache and state of one sequence on one GPU of its group."""
        p = self.parallel
        counts = self.held.cached_layers if self.held else [count for count, _ in self.kinds]
        layers = [
            self._cache_of(kind, p.tensor, count / p.pipeline, p.cache_ways)
            for count, (_, kind) in zip(counts, self.kinds, strict=True)
        ]
        if self.drafter and (draft := self.drafter.model):
            copies = self.drafter.copies
            layers += [
                draft._cache_of(kind, p.tensor, float(copies * count), draft.parallel.cache_ways)
                for count, kind in draft.kinds
            ]
        return cache_size([held for kind in layers for held in kind])

    def rank_cache_bytes(self, context: int) -> float:
        """The same of a sequence of `context` tokens."""
        return self.rank_cache.bytes_at(context)

    def _cache_of(
        self, kind: LayerKind, ways: int, count: float, tokens: int = 1
    ) -> list[tuple[float, float, list[tuple[float, Span]]]]:
        """(how many, state, entries) of the mechanisms of `count` layers, of which a GPU keeps one
        of so many `tokens`."""
        each = self.cache.bytes_per_element / tokens
        return [
            (
                count,
                block.state_bytes / ways,
                [
                    *((block.cache_elements * each / min(ways, max(1, block.cache_heads)), span)
                      for span in block.cache_spans),
                    *block.index_spans,
                ],
            )
            for block in kind.blocks
        ]  # fmt: skip

    @cached_property
    def streamed_parameters(self) -> int:
        """Parameters that one token reads: active ones, without looked-up embeddings and towers."""
        untied = 0 if self.head and self.tied else self.embedding.parameters
        tables = sum(table.parameters for table in self.lookups)
        decoder = (*self.kinds, (1, LayerKind(self.outside, 0)))
        unread = sum(
            count * block.unread_parameters for count, kind in decoder for block in kind.blocks
        ) + sum(count * kind.parameters for count, kind in self.encoder)
        return self.active_parameters - untied - tables - unread

    @cached_property
    def streamed_bytes(self) -> float:
        """Bytes of those."""
        return sum(op.count * op.weight_bytes for op in self.ops(Step(1, 1, 1)))

    @cached_property
    def _vectors(self) -> int:
        layers = sum(count * kind.vectors for count, kind in self.kinds)
        return layers + sum(block.vectors for block in self.outside)

    @cached_property
    def _encoder_vectors(self) -> int:
        return sum(count * kind.vectors for count, kind in self.encoder)

    @cached_property
    def formats(self) -> tuple[Format, ...]:
        """Every number format that the step multiplies, cache included."""
        found = {w.format for _, kind in self.kinds for b in kind.blocks for _, w in b.linears}
        if self.head:
            found.add(self.head.format)
        return tuple(sorted(found | {self.cache}, key=lambda f: f.name))

    @cached_property
    def widest_output(self) -> int:
        """Largest number of elements per token that one block's first matmuls write."""
        return max(
            (
                sum(w.out_features for n, w in block.linears[:-1] if n == 1)
                for _, kind in self.kinds
                for block in kind.blocks
            ),
            default=self.hidden,
        )

    @cached_property
    def cache_elements_per_token(self) -> int:
        """Cache elements of one more token in every layer, before any window is full."""
        return sum(c * b.cache_elements for c, kind in self.kinds for b in kind.blocks)

    @property
    def kv_bytes_per_token(self) -> float:
        """The same in bytes, at the cache's format."""
        return self.cache_elements_per_token * self.cache.bytes_per_element

    @cached_property
    def windows(self) -> tuple[int, ...]:
        """Contexts at which the cost of a step stops growing for some layers."""
        own = {w for _, kind in self.kinds for b in kind.blocks for w in b.windows}
        return tuple(sorted(own.union(self.draft.windows if self.draft else ())))

    @cached_property
    def _cache(self) -> CacheSize:
        layers = [self._cache_of(kind, 1, float(count)) for count, kind in self.kinds]
        return cache_size([held for kind in layers for held in kind])

    def cache_bytes(self, context: int) -> float:
        """Cache and recurrent state of one sequence of `context` tokens, on all GPUs together."""
        return self._cache.bytes_at(context)

    @cached_property
    def decoder_blocks(self) -> tuple[tuple[int, Block], ...]:
        """Every distinct block of the decoder, as the ranks hold it together, and how many layers
        have it."""
        joins = self.drafter and self.drafter.joins
        outside = (*self.outside, joins) if joins else self.outside
        return self._distinct((*self.kinds, (1, LayerKind(outside, 0))))

    @cached_property
    def encoder_blocks(self) -> tuple[tuple[int, Block], ...]:
        """The same of the encoder."""
        return self._distinct(self.encoder)

    def _distinct(self, kinds: Iterable[tuple[int, LayerKind]]) -> tuple[tuple[int, Block], ...]:
        counts: dict[Block, int] = {}
        ways = self.parallel.tensor
        for count, kind in kinds:
            for block in kind.blocks:
                held = block.copied(ways) if ways > 1 and not block.whole else block
                counts[held] = counts.get(held, 0) + count
        return tuple((count, block) for block, count in counts.items())

    @cached_property
    def rows(self) -> RowTable:
        """The work of its steps on one GPU, as rows that are affine in the step."""
        return RowTable(self)

    def ops(self, step: Step) -> tuple[Op, ...]:
        """The work of `step` on one GPU: equal ops of all layers are one op with a count."""
        local = self.parallel.local(step)
        return tuple([row_at(row, local) for row in self.rows.together(local)])

    @cached_property
    def decoder_small_kernels(self) -> tuple[float, int, int]:
        """16-bit elements per token that norms, residual adds, rotary and activations read and
        write, how many such kernels there are, and the parameters of their vectors."""
        elements, launches = self._small_kernels(self.kinds)
        outside = sum(block.elementwise_elements for block in self.outside)
        return elements + outside, launches + 2, self._vectors + self.other_parameters

    @cached_property
    def encoder_small_kernels(self) -> tuple[float, int, int]:
        """The same of the encoder."""
        return (*self._small_kernels(self.encoder), self._encoder_vectors)

    @cached_property
    def encoded_elements(self) -> tuple[float, float]:
        """Of the elements of both, those in layers that read both ways."""
        own, encoder = (
            self._small_kernels(
                (count, kind) for count, kind in kinds
                if any(block.reads_both_ways for block in kind.blocks)
            )[0]
            for kinds in (self.kinds, self.encoder)
        )  # fmt: skip
        return own, encoder

    def _small_kernels(self, kinds: Iterable[tuple[int, LayerKind]]) -> tuple[float, int]:
        elements, launches = 0.0, 0
        for count, kind in kinds:
            # Each mechanism has a norm, which with the residual add reads and writes 4 x hidden.
            # Nemotron-H's layers hold one mechanism, Falcon-H1's three; an indexer is a helper.
            mechanisms = sum(block.joins_residual for block in kind.blocks)
            elements += count * self.hidden * (4 * mechanisms + 2 * kind.norms_behind)
            launches += count * kind.norms_behind
            for block in kind.blocks:  # a rank has its heads and columns; helpers are copied
                ways = self.parallel.tensor if block.joins_residual else 1
                elements += count * block.elementwise_elements / ways
                # A norm over what ranks divide is two kernels, before and behind their sum.
                split = 2 if ways > 1 and block.summed_inside else 0
                launches += count * (block.elementwise_launches + split)
        return elements, launches

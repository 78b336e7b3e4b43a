"""config.json -> Model; Model x Step -> ops. The parameter count and the ops share one source.

Because both come from the same blocks, the count must equal the checkpoint's to the unit: a free
oracle for the shapes of the ops. Not here: hardware, time, files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from vperf.errors import InputError
from vperf.formats import BF16, Format, Mix
from vperf.model import heads
from vperf.model.blocks.base import Block, Scope
from vperf.model.blocks.gqa import hidden_size
from vperf.model.checkpoint import Config
from vperf.model.class_defaults import class_defaults
from vperf.model.families.family import Family
from vperf.model.heads import read_head
from vperf.model.keys import unread_lines
from vperf.model.ops import Linear, Op, Step, matmul
from vperf.model.parallel import SINGLE, Parallel, collective, share
from vperf.model.quantization import Scheme, read_scheme, what_if
from vperf.model.text_model import find_text_model
from vperf.model.towers import Tower


@dataclass(frozen=True, slots=True)
class LayerKind:
    """Layers that are equal in every respect, counted."""

    blocks: tuple[Block, ...]
    norm_elements: int

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
    draft_tokens: int = 0
    """Tokens that they draft for every step, which then counts them in memory; 0: not used."""
    encoder: tuple[tuple[int, LayerKind], ...] = ()
    """Of an encoder-decoder: the layers that read the prompt, in the one step without a past."""
    vector_bytes: float = 2.0
    """Of an element of a norm: 16 bit, in GGUF files 32."""
    images: bool = False
    """Whether an image becomes tokens of the prompt."""
    config_keys: tuple[str, ...] = ()
    """What was read of the text model's config."""
    parallel: Parallel = SINGLE
    """How the model is divided over GPUs; `work` and `rank_*` are of one of them."""

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

    @cached_property
    def draft(self) -> Model | None:
        """One such module as a model: its layer, and the embedding and LM head that it shares."""
        if self.mtp is None:
            return None
        return replace(
            self, kinds=((1, self.mtp),), embedding=Linear("embed_tokens", 0, 0), tied=True,
            other_parameters=0, tower_parameters=0, lookups=(), outside=(), encoder=(),
            mtp_layers=0, mtp=None, draft_tokens=0,
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

        Routers, norms and other small vectors are on every rank; modules that draft are on the
        last stage.
        """
        drafting = 0.0
        if self.draft_tokens and self.draft:
            drafting = self.mtp_layers * self.parallel.pipeline * self.draft.rank_weight_bytes
        return self._rank_weight_bytes + drafting

    @property
    def _rank_weight_bytes(self) -> float:
        if self.parallel == SINGLE:
            return self.weight_bytes
        p = self.parallel
        layers = 0.0
        for count, kind in self.stored_kinds:
            for block in kind.blocks:
                held, ways = (block, 1) if block.whole else (block.copied(p.tensor), p.tensor)
                for n, w in held.linears:
                    layers += count * n * w.stored_bytes / (p.stage if n > 1 else ways)
        outer = sum(t.stored_bytes for t in (*self.lookups, self.embedding))
        outer += self.head.stored_bytes if self.head and not self.tied else 0.0
        small = self._vectors + self._encoder_vectors + self.other_parameters
        return (layers + self.vector_bytes * small) / p.pipeline + (
            outer + 2.0 * self.tower_parameters
        ) / p.tensor

    def rank_cache_bytes(self, context: int) -> float:
        """Cache and state of one sequence of `context` tokens on one GPU of its group."""
        p = self.parallel
        drafting = 0.0
        if self.draft_tokens and self.draft:
            drafting = self.mtp_layers * p.pipeline * self.draft.rank_cache_bytes(context)
        return drafting + sum(
            count * (
                block.cache_elements * block.cached_tokens(context)
                * self.cache.bytes_per_element / min(p.tensor, max(1, block.cache_heads))
                + block.state_bytes / p.tensor
                + block.index_bytes(context)
            )
            for count, kind in self.kinds
            for block in kind.blocks
        ) / p.pipeline  # fmt: skip

    @cached_property
    def streamed_parameters(self) -> int:
        """Parameters that one token reads: active ones, without looked-up embeddings and towers."""
        untied = 0 if self.head and self.tied else self.embedding.parameters
        tables = sum(table.parameters for table in self.lookups)
        unread = sum(
            count * block.unread_parameters for count, kind in self.kinds for block in kind.blocks
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
        return tuple(sorted({w for _, kind in self.kinds for b in kind.blocks for w in b.windows}))

    def cache_bytes(self, context: int) -> float:
        """Cache and recurrent state of one sequence of `context` tokens."""
        return sum(
            count * (
                block.cache_elements * block.cached_tokens(context) * self.cache.bytes_per_element
                + block.state_bytes
                + block.index_bytes(context)
            )
            for count, kind in self.kinds
            for block in kind.blocks
        )  # fmt: skip

    @cached_property
    def _blocks(self) -> tuple[tuple[int, Block], ...]:
        """Every distinct block of the decoder, as the ranks hold it together, and how many layers
        have it."""
        counts: dict[Block, int] = {}
        ways = self.parallel.tensor
        for count, kind in (*self.kinds, (1, LayerKind(self.outside, 0))):
            for block in kind.blocks:
                held = block.copied(ways) if ways > 1 and not block.whole else block
                counts[held] = counts.get(held, 0) + count
        return tuple((count, block) for block, count in counts.items())

    def work(self, step: Step) -> list[tuple[int, Op]]:
        """The work of `step` on one GPU: (how many times, op), op by op."""
        found: list[tuple[int, Op]] = []
        local = step if self.parallel == SINGLE else self._local(step)
        if self.encoder and step.past == 0:
            for count, kind in self.encoder:
                for block in kind.blocks:
                    found += [(count, op) for op in self._block_ops(block, step, local)]
        for count, block in self._blocks:
            found += [(count, op) for op in self._block_ops(block, step, local)]
        if self.head:
            # Only the last position of each prompt goes through it (vLLM, SGLang, TRT-LLM).
            rows = local.batch * local.outputs
            found += [
                (1, share(op, self.parallel, 1)) for op in matmul("lm_head", (self.head,), rows)
            ]
        found.append((1, self._elementwise(local)))
        return found

    def _local(self, step: Step) -> Step:
        """What one attention group has of a step, in one pass of the pipeline."""
        return replace(step, batch=self.parallel.sequences(step.batch))

    def _block_ops(self, block: Block, step: Step, local: Step) -> Sequence[Op]:
        ops = block.ops(local, self.cache)
        parallel = self.parallel
        if parallel == SINGLE or block.whole:
            return ops
        joins = block.joins_residual
        exchanges: list[Op] = []
        if parallel.data > 1 and any(op.kind == "moe" for op in ops):
            # Experts serve the tokens of all attention groups: dispatched to them and combined.
            stage = replace(local, batch=local.batch * parallel.data)
            whole = block.ops(stage, self.cache)
            ops = tuple(w if w.kind == "moe" else o for o, w in zip(ops, whole, strict=True))
            passes = next(op.input_elements for op in whole if op.kind == "moe") / parallel.data
            exchanges = [collective("dispatch + combine", "alltoall", 2 * passes, parallel.stage)]
            joins = parallel.tensor > 1
        if parallel.tensor > 1 and joins:
            elements = local.tokens * self.hidden
            exchanges.append(collective("all-reduce", "allreduce", elements, parallel.tensor))
        return [*(share(op, parallel, block.cache_heads) for op in ops), *exchanges]

    def ops(self, step: Step) -> tuple[Op, ...]:
        """The work of `step` to look at: equal ops of all layers are one op with a count."""
        counts: dict[Op, int] = {}
        for count, op in self.work(step):
            counts[op] = counts.get(op, 0) + count
        return tuple(op if n == 1 else replace(op, count=n) for op, n in counts.items())

    def _elementwise_shape(self, kinds: tuple[tuple[int, LayerKind], ...]) -> tuple[float, int]:
        elements, launches = 0.0, 0
        for count, kind in kinds:
            # Each mechanism has a norm, which with the residual add reads and writes 4 x hidden.
            # Nemotron-H's layers hold one mechanism, Falcon-H1's three; an indexer is a helper.
            mechanisms = sum(block.joins_residual for block in kind.blocks)
            elements += count * 4 * self.hidden * mechanisms
            elements += count * sum(block.elementwise_elements for block in kind.blocks)
            launches += count * sum(block.elementwise_launches for block in kind.blocks)
        return elements, launches

    @cached_property
    def _decoder_elementwise(self) -> tuple[float, int]:
        elements, launches = self._elementwise_shape(self.kinds)
        outside = sum(block.elementwise_elements for block in self.outside)
        return elements + outside, launches + 2

    def _elementwise(self, step: Step) -> Op:
        """Norms, residual adds, rotary, activations: their vectors are the last bit of weight."""
        elements, launches = self._decoder_elementwise
        work = step.tokens * elements
        vectors = self._vectors + self.other_parameters
        if self.encoder and step.past == 0:  # the encoder reads the prompt, the decoder starts
            of_encoder, more = self._elementwise_shape(self.encoder)
            work = step.tokens * of_encoder + step.batch * elements
            launches += more
            vectors += self._encoder_vectors
        return Op(
            "norms, rotary, activation",
            "elementwise",
            0.0,
            BF16,
            weight_bytes=self.vector_bytes * vectors,
            input_elements=work,
            launches=float(launches),
        )


MTP_KEYS = (
    "num_nextn_predict_layers", "mtp_num_hidden_layers", "num_mtp_modules", "num_mtp_layers",
    "_num_mtp_layers",
)  # fmt: skip
"""How configs spell the number of multi-token-prediction modules."""


def divide(model: Model, parallel: Parallel) -> Model:
    """The model divided over GPUs. Raises InputError where heads, widths or experts do not divide.

    They are those that vLLM and SGLang refuse; the vocabulary is padded, layers may be uneven.
    """
    layers = [kind for _, kind in (*model.kinds, *model.encoder)]
    blocks = [
        block for kind in ([*layers, model.mtp] if model.mtp else layers) for block in kind.blocks
    ]
    said: dict[str, None] = {}
    for block in blocks:
        _check_division(block, parallel)
        said.update(dict.fromkeys(_part_blocks(block, parallel)))
    if parallel.expert > 1 and not model.has_experts:
        raise InputError("the model has no experts to divide", field="expert-parallel-size")
    stages, count = parallel.pipeline, model.layer_count
    if stages > count:
        raise InputError(
            f"{stages} stages are more than {count} layers", field="pipeline-parallel-size"
        )
    if count % stages:
        said[f"{count} layers do not divide into {stages} stages: the mean stage is taken"] = None
    return replace(model, parallel=parallel, assumptions=(*model.assumptions, *said))


def _check_division(block: Block, parallel: Parallel) -> None:
    ways = parallel.tensor
    for count, what in block.divided:
        if count % ways:
            raise InputError(
                f"{count} {what} do not divide over {ways} GPUs", field="tensor-parallel-size"
            )
    for parts in {w.parts for _, w in block.linears if w.parts}:
        if parts % ways and ways % parts:
            raise InputError(
                f"{parts} KV heads neither divide over {ways} GPUs nor divide them",
                field="tensor-parallel-size",
            )
    experts, width = block.expert_split
    if experts % parallel.expert:
        raise InputError(
            f"{experts} experts do not divide over {parallel.expert} groups",
            field="expert-parallel-size",
        )
    if width % parallel.expert_ways:
        raise InputError(
            f"{width} columns of an expert do not divide over {parallel.expert_ways} GPUs",
            field="tensor-parallel-size",
            hint=_whole_experts(experts, parallel),
        )


def _part_blocks(block: Block, parallel: Parallel) -> Iterator[str]:
    """What engines refuse though it divides: a share that is not whole blocks of its scales."""
    experts, width = block.expert_split
    if not width:
        return
    share = width // parallel.expert_ways
    scaled = {w.format for n, w in block.linears if n > 1 and w.format.block_out > 1}
    way_out = _whole_experts(experts, parallel)
    for size in sorted({fmt.block_out for fmt in scaled if share % fmt.block_out}):
        yield (
            f"{share} columns of an expert a GPU are not whole blocks of {size}: vLLM and SGLang "
            f"refuse that{f' ({way_out})' if way_out else ''}"
        )


def _whole_experts(experts: int, parallel: Parallel) -> str:
    """What to do where experts cannot be cut; nothing where whole ones do not divide either."""
    ways = parallel.stage
    return "" if experts % ways else f"--expert-parallel-size {ways} keeps experts whole"


def build_model(
    config: Mapping[str, Any],
    *,
    source: str,
    hf_quant_config: Mapping[str, Any] | None = None,
    quantization: Format | Mix | None = None,
    cache: Format | None = None,
    scheme: Scheme | None = None,
) -> Model:
    """Read a config.json (already parsed) into a Model.

    `quantization` and `cache` are what-ifs over what the checkpoint says; `scheme` says it in the
    config's place (GGUF). Raises InputError for values that cannot be, UnsupportedModelError for
    architectures that are not understood.
    """
    if not isinstance(config, Mapping):
        raise InputError("must hold a JSON object", source=source)
    top = Config(config, source)
    family, text = find_text_model(top)
    if scheme is None:
        scheme = read_scheme(config, hf_quant_config, source=source)
    if isinstance(quantization, Mix):
        from vperf.model.quantization import ggml  # noqa: PLC0415  (seldom asked for)

        census = ggml.Census(scheme.name, scheme.default)
        once = _read_layers(top, text, family, census, cache)
        scheme = ggml.mixed(quantization, scheme, census, once)
    elif quantization is not None:
        scheme = what_if(quantization, scheme)
    model = _read_layers(top, text, family, scheme, cache)
    passed = unread_lines(text, model.model_type)
    return replace(
        model,
        config_keys=tuple(sorted(text.keys() & text.asked)),
        assumptions=(*model.assumptions, *passed),
    )


def _read_layers(
    top: Config, text: Config, family: Family, scheme: Scheme, cache: Format | None
) -> Model:
    hidden = hidden_size(text)
    vocab = text.integer("vocab_size", "padded_vocab_size")
    layers = family.layers(text)
    norms = family.layer_norms(text) * hidden
    kinds: dict[LayerKind, int] = {}
    for i in range(layers):
        scope = Scope(f"model.layers.{i}", scheme.weight)
        kind = LayerKind(family.blocks(text, i, scope), norms)
        kinds[kind] = kinds.get(kind, 0) + 1
    outer = Scope("", scheme.weight)
    embed_width = text.optional_integer("word_embed_proj_dim") or hidden
    tied = _tied(top, text, family)
    head_bias = family.head_bias if isinstance(family.head_bias, bool) else family.head_bias(text)
    top_head = read_head(top, has_class=text.has_class) if not family.encoder else heads.LM
    if top_head.kind != "lm":
        tied = head_bias = False
    head = _head(outer, top_head, embed_width, vocab, bias=head_bias)
    finals = family.final_norm if isinstance(family.final_norm, int) else family.final_norm(text)
    final = finals * hidden * (1 + family.norm_bias)
    extra = family.extra_parameters(text) if family.extra_parameters else 0
    tower = family.tower(top, text) if family.tower else Tower(0)
    inner = Scope("model", scheme.weight)
    encoder = family.encoder(text, Scope("encoder", scheme.weight)) if family.encoder else ()
    mtp_layers = text.optional_integer(*MTP_KEYS, minimum=0, maximum=64) or 0
    mtp = family.mtp_blocks(text, layers - 1, Scope("mtp.0", scheme.weight)) if mtp_layers else None
    chosen = cache or scheme.cache or (scheme.default if scheme.default.bits == 16 else BF16)
    return Model(
        model_type=text.text("model_type", default=family.model_types[0]),
        hidden=hidden,
        kinds=tuple((count, kind) for kind, count in kinds.items()),
        embedding=outer.linear("model.embed_tokens", embed_width, vocab, kind="embedding"),
        head=head,
        tied=tied,
        other_parameters=final + extra + (vocab if head_bias and tied else 0)
        + top_head.middle * hidden * (hidden + 1),
        tower_parameters=tower.parameters,
        quantization=scheme.name,
        cache=chosen,
        cache_name=chosen.name,
        max_context_tokens=text.optional_integer(
            "max_position_embeddings", "n_positions", "max_seq_len", "seq_length",
            "max_sequence_length", "model_max_length", maximum=10**9,
        ),
        assumptions=(
            *scheme.assumptions, *family.assumptions, *tower.assumptions, *_defaults_line(text),
            *top_head.assumptions,
        ),
        lookups=family.lookups(text, inner) if family.lookups else (),
        outside=family.outside(text, inner) if family.outside else (),
        mtp_layers=mtp_layers,
        mtp=LayerKind(mtp, norms) if mtp else None,
        images=family.images,
        encoder=tuple((count, LayerKind(blocks, own)) for count, blocks, own in encoder if count),
        vector_bytes=scheme.vector_bytes,
    )  # fmt: skip


def _tied(top: Config, text: Config, family: Family) -> bool:
    """Whether the LM head is the embedding: the wrapper's word before the text model's."""
    own = text.flag("tie_word_embeddings", "tie_embedding", default=family.tied)
    if isinstance(family.ties, bool):
        return family.ties
    outer = top.raw("tie_word_embeddings")
    if isinstance(outer, bool):
        return outer
    if not text.has("tie_word_embeddings", "tie_embedding"):
        # Published files of Mistral 3 and Qwen3-VL say nothing: tied where both classes agree.
        wrapper = class_defaults(top.text("model_type", default=""))
        return own and wrapper.get("tie_word_embeddings") is not False
    return own


def _head(outer: Scope, head: heads.Head, width: int, vocab: int, *, bias: bool) -> Linear | None:
    if head.kind == "none":
        return None
    if head.kind == "lm":
        return outer.linear("lm_head", width, vocab, bias=bias, kind="head")
    return outer.linear("score", width, head.labels, bias=head.bias, kind="head")


def _defaults_line(text: Config) -> tuple[str, ...]:
    used = {name: value for name, value in text.defaults_used.items() if value}
    if not used:
        return ()
    listed = ", ".join(f"{name} {value}" for name, value in sorted(used.items()))
    return (f"not in the config, taken from the model class's defaults: {listed}",)

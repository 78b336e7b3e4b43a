"""config.json -> Model; Model x Step -> ops. The parameter count and the ops share one source.

Because both come from the same blocks, the count must equal the checkpoint's to the unit: a free
oracle for the shapes of the ops. Not here: hardware, time, files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from vperf.errors import InputError, UnsupportedModelError
from vperf.formats import BF16, Format, Mix
from vperf.model.blocks.base import Block, Scope
from vperf.model.blocks.gqa import hidden_size
from vperf.model.checkpoint import Config
from vperf.model.families import all_families, find_family
from vperf.model.families.family import Family
from vperf.model.ops import Linear, Op, Step, matmul
from vperf.model.parallel import SINGLE, Parallel, collective, share
from vperf.model.quantization import Scheme, read_scheme, what_if
from vperf.model.towers import Tower
from vperf.notes import Note


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
        untied = self.embedding.parameters if self.head and not self.tied else 0
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


_NESTS = ("text_config", "llm_config", "language_config", "thinker_config")

# Fields that shape a model. A family that never asks for one that is set does not understand the
# model, however well its other fields read.
_SHAPING = (
    "num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts", "kv_lora_rank",
    "q_lora_rank", "linear_num_value_heads", "mamba_d_state", "ssm_state_size", "mamba_num_heads",
    "attn_layer_period", "hybrid_override_pattern", "layers_block_type", "block_configs",
    "num_kv_shared_layers", "index_topk", "attention_chunk_size", "linear_attn_config",
    "full_attention_interval", "conv_L_cache", "cross_attention_layers", "altup_num_inputs",
    "hidden_size_per_layer_input", "hc_mult", "attention_k_eq_v", "zero_expert_num",
    "global_head_dim", "swa_num_attention_heads", "num_memory_blocks", "attn_output_gate",
    "mlp_layer_types", "moe_layer_freq", "mlp_only_layers",
    "moe_layers_enum", "interleave_moe_layer_step", "n_shared_experts", "num_shared_experts",
    "num_shared_expert", "shared_expert_intermediate_size", "shared_intermediate_size",
    "moe_latent_size", "use_cla", "compress_ratios", "sparse_attention_config",
    "indexer_types", "kv_source_layers", "attention_other_setting", "hybrid_layer_pattern",
    "swa_num_key_value_heads", "num_attention_heads_per_layer", "layer_types",
    "per_layer_config",
)  # fmt: skip


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
    family, text = _find_text_model(top)
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
    unread = [k for k in _SHAPING if k in text.keys() - text.asked and text.raw(k)]
    if unread:
        raise UnsupportedModelError(
            f"model_type {model.model_type!r} with {unread[0]!r} set is not understood",
            source=source, field=unread[0],
        )  # fmt: skip
    return replace(model, config_keys=tuple(sorted(text.keys() & text.asked)))


def _find_text_model(top: Config) -> tuple[Family, Config]:
    """The decoder's family and its config object, wherever it nests."""
    kind = top.text("model_type", default="")
    nest = next((name for name in _NESTS if top.has(name)), None)
    if not kind and nest is None:
        raise top.error("missing; without it the architecture is unknown", "model_type")
    family = find_family(kind)
    if family is None:
        raise _unsupported(top, kind)
    if not family.wraps:
        return family, top.with_defaults(family.defaults)
    text, text_type = top, family.wraps[0]
    if nest is not None:
        nested = top.child(nest)
        assert nested is not None
        text = nested.child("text_config") or nested  # thinker_config.text_config
        text_type = text.text("model_type", default=text_type)
    # else: older files (Qwen2-VL-2B, liuhaotian's LLaVA) hold the text model's keys at the top
    text_family = find_family(text_type)
    if text_family is not None and text_family.wraps:  # a text_config that names its wrapper
        text_family = find_family(text_family.wraps[0])
    if text_family is None:
        raise _unsupported(text, text_type)
    defaults = {**text_family.defaults, **family.text_defaults.get(text_type, {})}
    return replace(
        text_family,
        tower=family.tower,
        images=family.images,
        tied=family.tied or text_family.tied,
        assumptions=(*text_family.assumptions, *family.assumptions),
    ), text.with_defaults(defaults)


def _unsupported(config: Config, kind: str) -> UnsupportedModelError:
    import difflib  # noqa: PLC0415  (only on the way to an error)

    from vperf.model.families.encoder_decoder import ENCODER_ONLY  # noqa: PLC0415

    if kind in ENCODER_ONLY:
        return UnsupportedModelError(
            f"model_type {kind!r} is an encoder: it generates no tokens, so there is no decode "
            "to estimate",
            source=config.source,
        )
    near = difflib.get_close_matches(kind, all_families(), 3, 0.6)
    return UnsupportedModelError(
        f"model_type {kind!r} is not supported: vperf does not know what its layers compute",
        source=config.source,
        hint=f"supported and near: {', '.join(near)}" if near else "",
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
    tied = top.raw("tie_word_embeddings")
    if not isinstance(tied, bool):
        tied = text.flag("tie_word_embeddings", "tie_embedding", default=family.tied)
    tied = tied or family.always_tied
    head_bias = family.head_bias if isinstance(family.head_bias, bool) else family.head_bias(text)
    embed_width = text.optional_integer("word_embed_proj_dim") or hidden
    outer = Scope("", scheme.weight)
    head = outer.linear("lm_head", embed_width, vocab, bias=head_bias, kind="head")
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
        other_parameters=final + extra + (vocab if head_bias and tied else 0),
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
        ),
        lookups=family.lookups(text, inner) if family.lookups else (),
        outside=family.outside(text, inner) if family.outside else (),
        mtp_layers=mtp_layers,
        mtp=LayerKind(mtp, norms) if mtp else None,
        images=family.images,
        encoder=tuple((count, LayerKind(blocks, own)) for count, blocks, own in encoder if count),
        vector_bytes=scheme.vector_bytes,
    )  # fmt: skip


def _defaults_line(text: Config) -> tuple[str, ...]:
    used = text.defaults_used
    if not used:
        return ()
    listed = ", ".join(f"{name} {value}" for name, value in sorted(used.items()))
    return (Note("config_defaults", listed=listed),)

"""config.json -> Model: which family it is of, and what its keys say.

Not here: what a layer of a family is made of (families/), number formats (quantization/).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple, cast

from vperf.errors import InputError
from vperf.formats import BF16, Format, Mix
from vperf.model import heads
from vperf.model.blocks.base import Block, Scope
from vperf.model.blocks.gqa import hidden_size
from vperf.model.checkpoint import Config
from vperf.model.class_defaults import class_defaults
from vperf.model.families.family import Family
from vperf.model.heads import Head, read_head
from vperf.model.keys import unread_lines
from vperf.model.layers import EqualLayers, LayerNumber
from vperf.model.model import LayerKind, Model
from vperf.model.ops import Linear
from vperf.model.quantization import Scheme, read_scheme, what_if
from vperf.model.text_model import find_text_model
from vperf.model.tower import Tower
from vperf.notes import Note

MTP_KEYS = (
    "num_nextn_predict_layers", "mtp_num_hidden_layers", "num_mtp_modules", "num_mtp_layers",
    "_num_mtp_layers",
)  # fmt: skip
"""How configs spell the number of multi-token-prediction modules."""


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
        config_keys=tuple(sorted(text.keys() & text.keys_read)),
        assumptions=(*model.assumptions, *passed),
    )


class _OnLayers(NamedTuple):
    """What the layers stand on and what stands on them."""

    embedding: Linear
    top: Head
    head: Linear | None
    tied: bool
    head_bias: bool
    blocks: tuple[Block, ...]

    @property
    def generates(self) -> bool:
        """Whether it puts out tokens, one after another."""
        return self.top.kind == "lm"


def _read_layers(
    top: Config, text: Config, family: Family, scheme: Scheme, cache: Format | None
) -> Model:
    hidden = hidden_size(text)
    norms = family.layer_norms(text) * hidden
    kinds, order = _layer_kinds(text, family, scheme, norms)
    above = _on_layers(top, text, family, scheme)
    finals = family.final_norm if isinstance(family.final_norm, int) else family.final_norm(text)
    final = finals * hidden * (1 + family.norm_bias)
    extra = family.extra_parameters(text) if family.extra_parameters else 0
    biases = above.embedding.out_features if above.head_bias and above.tied else 0
    tower = family.tower(top, text) if family.tower else Tower(0)
    inner = Scope("model", scheme.weight, scheme.vector_bytes)
    encoder = family.encoder(text, Scope("encoder", scheme.weight)) if family.encoder else ()
    stated = text.optional_integer(*MTP_KEYS, minimum=0, maximum=64)
    mtp_layers = family.unsaid_mtp if stated is None else stated
    last, in_mtp = len(order) - 1, Scope("mtp.0", scheme.weight)
    mtp = family.mtp_blocks(text, last, in_mtp) if mtp_layers else None
    chosen = cache or scheme.cache or (scheme.default if scheme.default.bits == 16 else BF16)
    return Model(
        model_type=text.text("model_type", default=family.model_types[0]),
        hidden=hidden,
        kinds=kinds,
        embedding=above.embedding,
        head=above.head,
        tied=above.tied,
        other_parameters=final + extra + biases + above.top.middle * hidden * (hidden + 1),
        tower_parameters=tower.parameters,
        quantization=scheme.name,
        cache=chosen,
        cache_name=chosen.name,
        max_context_tokens=_longest(text, family),
        assumptions=(
            *scheme.assumptions, *family.assumptions, *tower.assumptions, *_defaults_line(text),
            *above.top.assumptions, *(() if above.generates else (Note("no_tokens"),)),
        ),
        lookups=family.lookups(text, inner) if family.lookups else (),
        outside=(*(family.outside(text, inner) if family.outside else ()), *above.blocks),
        generates=above.generates,
        diffuses=family.diffuses,
        task=heads.TASKS[above.top.kind],
        mtp_layers=mtp_layers,
        mtp=LayerKind(mtp, norms) if mtp else None,
        images=family.images,
        encoder=tuple((count, LayerKind(blocks, own)) for count, blocks, own in encoder if count),
        vector_bytes=scheme.vector_bytes,
        order=order,
    )  # fmt: skip


def _layer_kinds(
    text: Config, family: Family, scheme: Scheme, norms: int
) -> tuple[tuple[tuple[int, LayerKind], ...], tuple[int, ...]]:
    """(how many, kind) of unlike layers, and which of them each layer is."""
    number: dict[LayerKind, int] = {}

    def read(layer: LayerNumber) -> int:
        layer.ask(scheme.of_layer)
        scope = Scope(f"model.layers.{layer.number}", scheme.weight, scheme.vector_bytes)
        this = cast("int", layer)  # to readers it is the number
        blocks = family.blocks(text.of_layer(this), this, scope)
        behind = family.norms_of(text) - sum(block.joins_residual for block in blocks)
        kind = LayerKind(blocks, norms, max(0, behind))
        return number.setdefault(kind, len(number))

    by_number = EqualLayers(read)
    order = tuple(by_number[i] for i in range(family.layers(text)))
    return tuple((order.count(place), kind) for kind, place in number.items()), order


def _on_layers(top: Config, text: Config, family: Family, scheme: Scheme) -> _OnLayers:
    outer = Scope("", scheme.weight, scheme.vector_bytes)
    vocab = text.integer("vocab_size", "padded_vocab_size")
    width = text.optional_integer(family.embedding_width) or hidden_size(text)
    tied = _tied(top, text, family)
    head_bias = family.head_bias if isinstance(family.head_bias, bool) else family.head_bias(text)
    if family.encodes:
        top_head = heads.read_encoder_head(top)
    else:
        top_head = heads.LM if family.encoder else read_head(top, has_class=text.has_class)
    if top_head.kind != "lm":
        tied = head_bias = False
    head = None if family.encodes else _head(outer, top_head, width, vocab, bias=head_bias)
    embedding = outer.linear("model.embed_tokens", width, vocab, kind="embedding")
    if head and tied:
        head = replace(head, format=embedding.format)  # whatever a rule says of a head
    blocks = family.encodes(text, outer, top_head) if family.encodes else ()
    if family.before_head and top_head.kind != "none":
        if top_head.kind != "lm":
            raise top.unsupported("the head of this class is not understood", "architectures")
        blocks = family.before_head(text, outer)
    return _OnLayers(embedding, top_head, head, tied, head_bias, tuple(blocks))


def _longest(text: Config, family: Family) -> int | None:
    """Tokens of the longest context; None where the config does not say."""
    positions = text.optional_integer(
        "max_position_embeddings", "n_positions", "max_seq_len", "seq_length",
        "max_sequence_length", "model_max_length", maximum=10**9,
    )  # fmt: skip
    return max(1, positions - family.unused_positions) if positions else positions


def _tied(top: Config, text: Config, family: Family) -> bool:
    """Whether the LM head is the embedding: the wrapper's word before the text model's."""
    own = text.flag("tie_word_embeddings", "tie_embedding", default=family.tied)
    if isinstance(family.ties, bool):
        return family.ties
    if top.has("tie_word_embeddings"):
        return top.flag("tie_word_embeddings", default=own)
    if not text.has("tie_word_embeddings", "tie_embedding"):
        # Published files of Mistral 3 and Qwen3-VL say nothing: tied where both classes agree.
        wrapper = class_defaults(top.text("model_type", default=""))
        return own and wrapper.get("tie_word_embeddings") is not False
    return own


def _head(outer: Scope, head: Head, width: int, vocab: int, *, bias: bool) -> Linear | None:
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
    return (Note("config_defaults", listed=listed),)

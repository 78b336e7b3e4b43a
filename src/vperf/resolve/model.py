"""The model of a scenario: its config, the formats given instead of its own, its task, its drafts,
its adapters, and how it is divided.

Not here: how a config is read (model/read.py, sources/models.py), and layers on other places
(places.py).
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from vperf.errors import InputError, VperfError, check_count
from vperf.formats import FLOATS, Mix, bits_named, cache_format_named, format_named
from vperf.hardware.engine import Engine
from vperf.model.blocks.base import Block
from vperf.model.blocks.gqa import GroupedQueryAttention
from vperf.model.config import ModelConfig
from vperf.model.divide import Parallel
from vperf.model.drafter import ASSISTANTS, Checkpoint
from vperf.model.lora import EXPERTS, MAX_ADAPTERS, MAX_RANK, Lora
from vperf.model.model import Model
from vperf.model.ops import FULL, Step
from vperf.model.read import build_model
from vperf.model.tasks import run_for, seen_both_ways, task_named
from vperf.notes import Note, notes_of
from vperf.scenario import OPTIONS, ModelLike, Scenario
from vperf.serving.speculative import (
    denoising,
    divided_with,
    drafting,
    method_named,
    needs_checkpoint,
)
from vperf.sources.models import load_model_config
from vperf.spelling import flag
from vperf.units import format_bytes

AS_STORED = "auto"
"""A quantization: what the checkpoint holds."""


def check_formats(weights: str | None, cache: str | None) -> None:
    """UnknownNameError for a number format that there is not."""
    if weights is not None and weights != AS_STORED and not bits_named(weights):
        format_named(weights)
    if cache is not None and cache != AS_STORED:
        cache_format_named(cache)


def config_of(model: ModelLike, revision: str | None = None) -> ModelConfig:
    """A model's config, which may be given itself."""
    if isinstance(model, ModelConfig):
        return model
    return load_model_config(model, revision=revision)


def build(
    model: ModelLike,
    *,
    quantization: str | None = None,
    kv_cache_dtype: str | None = None,
    revision: str | None = None,
) -> tuple[ModelConfig, Model]:
    """A model by itself, without an engine. Raises VperfError."""
    check_formats(quantization, kv_cache_dtype)
    config = config_of(model, revision)
    if quantization in (None, AS_STORED):
        quantization = format_spelled(config)
    return config, built(config, quantization, kv_cache_dtype)


def format_spelled(found: ModelConfig) -> str | None:
    """The format that a model's name says, where its config is another checkpoint's.

    A quantized checkpoint of as many bits is the one that is meant. Raises InputError for words
    of a format that has no name here.
    """
    spelled = found.spelled
    if spelled is None:
        return None
    if spelled.quantization is None and not spelled.sure:
        raise InputError(
            f"{spelled.typed} does not say how many bits its weights have", field="quantization",
            hint=f"give {flag('quantization')}, as 4.0bpw or int4",
        )  # fmt: skip
    if spelled.quantization is None:
        return None
    own = built(found, None, None).quantization
    if own in FLOATS or (not spelled.usual and bits_of(own) != bits_of(spelled.quantization)):
        return spelled.quantization
    return None


def bits_of(name: str) -> float:
    """Bits of a weight in a format, most of them in a mix; 0: a name that is none."""
    if bits := bits_named(name):
        return bits
    try:
        found = format_named(name)
    except VperfError:
        return 0.0
    return round(found.base.bits if isinstance(found, Mix) else found.bits)


def built(found: ModelConfig, quantization: str | None, kv_cache_dtype: str | None) -> Model:
    """A model as its config says, with the formats given instead of its own."""
    weights = None if quantization == AS_STORED else quantization
    cache = None if kv_cache_dtype == AS_STORED else kv_cache_dtype
    if found.source == "bundled":
        return _built_bundled(found.id, weights, cache)
    return _build(found, weights, cache)


@lru_cache(maxsize=64)
def _built_bundled(model_id: str, weights: str | None, cache: str | None) -> Model:
    """Shipped configs never change while a process runs."""
    return _build(load_model_config(model_id), weights, cache)


def _build(found: ModelConfig, weights: str | None, cache: str | None) -> Model:
    chosen = format_named(weights) if weights else None
    kept = cache_format_named(cache) if cache else None
    if found.gguf is not None:
        from vperf.model.gguf import build_gguf  # noqa: PLC0415  (seldom on the way to an answer)

        return build_gguf(found.gguf, quantization=chosen, cache=kept)
    return build_model(
        found.config,
        source=found.label,
        hf_quant_config=found.hf_quant_config,
        quantization=chosen,
        cache=kept,
    )


def resolve_model(
    found: ModelConfig, engine: Engine, scenario: Scenario, draft: ModelConfig | None = None
) -> Model:
    """The model as the engine runs it: its cache, its context, its drafts, its share of a GPU."""
    model = built(found, scenario.quantization, scenario.kv_cache_dtype)
    model = _engine_cache(model, engine, scenario.kv_cache_dtype)
    if model.model_type in engine.ignores_windows:
        model = _without_windows(model, engine)
    if scenario.max_model_len is not None:
        model = _capped(model, scenario.max_model_len)
    task = scenario.task or found.task
    if task:
        model = run_for(model, found.id, task_named(task), found.config)
    model = seen_both_ways(model, found.config)
    if model.diffuses and model.generates:
        if scenario.speculative is not None:
            raise InputError(f"{found.id} denoises blocks: nothing drafts", field="speculative")
        model = denoising(model, found.id, scenario.block_length)
    if scenario.speculative is not None and not model.generates:
        raise InputError(f"{found.id} generates no tokens to draft", field="speculative")
    if scenario.draft_quantization is not None and draft is None:
        raise InputError(f"is of a {flag('draft_model')}", field="draft-quantization")
    if scenario.speculative is not None:
        model = drafting(
            model,
            found.id,
            scenario.speculative,
            scenario.draft_tokens,
            _checkpoint(draft, scenario, model) if draft else None,
            scenario.draft_branches,
            scenario.verify_tokens,
        )
    if adapters := _adapters(scenario, found):
        model = with_adapters(model, adapters, found.id)
    return divided_with(model, parallel_of(scenario, engine))


def parallel_of(scenario: Scenario, engine: Engine) -> Parallel:
    """How the engine divides a model. Raises InputError for what it does not divide."""
    for name, what in (("pcp", "a prompt's tokens"), ("dcp", "a cache's tokens")):
        if getattr(scenario, name) == 1:
            continue
        from vperf.hardware.commands import takes  # noqa: PLC0415  (seldom asked for)

        if not takes(engine, name):
            raise InputError(
                f"{engine.name} does not share out {what} among GPUs",
                field=OPTIONS[name].flags[0].lstrip("-"),
                hint=f"{flag('engine')} vllm or sglang does",
            )
    return Parallel(
        scenario.tp, scenario.pp, scenario.ep, scenario.dp, scenario.pcp, scenario.dcp,
        engine.shares_context_cache,
    )  # fmt: skip


def _adapters(scenario: Scenario, found: ModelConfig) -> Lora | None:
    """The adapters of a scenario, or the one that its model is. Raises InputError."""
    rank, count, targets = scenario.lora_rank, scenario.max_loras, scenario.lora_targets
    own = found.adapter
    if rank is None and own is not None:
        rank, targets = own.rank, targets or ",".join(own.targets)
    if rank is None:
        for name, value in (("max-loras", count), ("lora-targets", targets)):
            if value is not None:
                raise InputError("means nothing without lora-rank", field=name)
        return None
    check_count("lora-rank", rank, 1, MAX_RANK)
    count = 1 if count is None else count
    check_count("max-loras", count, 1, MAX_ADAPTERS)
    names = tuple(filter(None, (name.strip() for name in (targets or "").split(","))))
    return Lora(rank, count, names)


def with_adapters(model: Model, adapters: Lora, model_id: str) -> Model:
    """The model with adapters. Raises InputError for modules that it has not."""
    ops = model.ops(Step(1, 1, 1))
    there = sorted({name for op in ops for name, _ in op.modules})
    if any(op.kind == "moe" and op.modules for op in ops):
        there.append(EXPERTS)
    missing = [name for name in adapters.targets if name not in there]
    if missing or not there:
        raise InputError(
            f"{model_id} has no linear layer {', '.join(missing)} that an adapter can be of",
            field="lora-targets",
            hint=f"it has {', '.join(there)}",
        )
    return replace(model, lora=adapters)


def _checkpoint(draft: ModelConfig, scenario: Scenario, model: Model) -> Checkpoint:
    """What drafts for a model, from a checkpoint of its own."""
    named, weights = method_named(scenario.speculative or ""), scenario.draft_quantization
    if draft.config.get("model_type") in ASSISTANTS and named in {"mtp", "draft_model"}:
        from vperf.model.assistant import read_assistant  # noqa: PLC0415  (seldom asked for)

        return read_assistant(draft.config, draft.id, draft.label, model, draft.hf_quant_config)
    if named == "medusa":
        from vperf.model.medusa import read_medusa  # noqa: PLC0415  (seldom asked for)

        return read_medusa(draft.config, draft.id, draft.label, model, scenario.draft_tokens)
    if named == "draft_model" or not needs_checkpoint(named):
        check_formats(weights, None)
        return Checkpoint(draft.id, built(draft, weights, None))
    if weights is not None:
        raise InputError(f"a head of {named} is as its checkpoint has it",
                         field="draft-quantization")  # fmt: skip
    from vperf.model.eagle import read_eagle  # noqa: PLC0415  (seldom on the way to an answer)

    return read_eagle(draft.config, draft.id, draft.label, named, model, draft.hf_quant_config)


def _engine_cache(model: Model, engine: Engine, given: str | None) -> Model:
    """The model with the cache its engine gives it where neither user nor checkpoint says one."""
    fp8 = any(each.multiplies_fp8 for each in model.formats)
    if given not in (None, AS_STORED) or not (engine.fp8_cache and fp8) or model.cache.bits < 16:
        return model
    cache = cache_format_named("fp8")
    notes = (*model.assumptions, Note("engine_cache", engine=engine.name))
    return replace(model, cache=cache, cache_name=cache.name, assumptions=notes)


def _without_windows(model: Model, engine: Engine) -> Model:
    """As an engine runs it that has no windows for its kind: every layer sees all keys."""

    def seen_whole(block: Block) -> Block:
        if isinstance(block, GroupedQueryAttention):
            return replace(block, visibility=FULL)
        return block

    kinds = tuple(
        (count, replace(kind, blocks=tuple(map(seen_whole, kind.blocks))))
        for count, kind in model.kinds
    )
    note = Note("no_windows", engine=engine.name, model_type=model.model_type)
    return replace(model, kinds=kinds, assumptions=(*model.assumptions, note))


def _capped(model: Model, tokens: int) -> Model:
    if tokens < 1:
        raise InputError(f"must be at least 1, not {tokens}", field="max-model-len")
    longest = model.max_context_tokens
    return replace(model, max_context_tokens=min(tokens, longest) if longest else tokens)


def model_warnings(found: ModelConfig, model: Model, what_if: str | None) -> tuple[Note, ...]:
    """What reading the model warned of, and where the checkpoint's own index disagrees with it."""
    if found.stored_bytes is None and not found.warnings:
        return ()
    warned = notes_of("model_warning", found.warnings)
    if found.stored_bytes is None or what_if:
        return warned
    off = found.stored_bytes / model.weight_bytes - 1
    if abs(off) < 0.01:
        return warned
    stored, implied = format_bytes(found.stored_bytes), format_bytes(model.weight_bytes)
    return (*warned, Note("stored_size", stored=stored, implied=implied, off=off))

"""Which object of a config.json is the text model's, and of which family it is.

A multimodal wrapper nests its text model. Of a wrapper that no family describes, the text model is
answered where it is known and what stands beside it is said not to be counted. Not here: what the
keys of the text model say (families/, read of the layers).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from vperf.errors import UnsupportedModelError
from vperf.model.checkpoint import Config
from vperf.model.class_defaults import (
    class_defaults,
    model_type_of,
    nested_defaults,
    nested_text_model,
    never_ties,
)
from vperf.model.families import all_families, find_family
from vperf.model.families.family import Family
from vperf.notes import Note

NESTS = (
    "text_config", "llm_config", "language_config", "thinker_config", "text_model_config",
)  # fmt: skip
"""Keys under which a wrapper nests its text model's config."""
_SIZES = ("hidden_size", "d_model", "n_embd", "dim")

CHANGED = frozenset({
    "kosmos-2", "kosmos-2.5", "csm", "moshi", "pi0", "evolla", "vibevoice", "higgs_audio_v2",
    "qwen2_5_omni",
})  # fmt: skip
"""Wrappers whose text model is not the plain one that its config names, or not all of it."""


def find_text_model(top: Config) -> tuple[Family, Config]:
    """The decoder's family and its config object, wherever it nests, with its class's defaults.

    Raises InputError where model_type is missing, UnsupportedModelError where it is not known.
    """
    kind = top.text("model_type", default="")
    nest = next((name for name in NESTS if top.has(name)), None)
    if not kind and nest is None:
        raise top.error("missing; without it the architecture is unknown", "model_type")
    family = find_family(kind)
    if family is None:
        family = _unknown_wrapper(top, kind)
    if family is None:
        raise _unsupported(top, kind)
    if never_ties(kind):
        family = replace(family, ties=False)
    if note := _another_class(top, kind):
        family = replace(family, assumptions=(*family.assumptions, note))
    if not family.wraps:
        return family, _with_defaults(_unfolded(top, kind, family), kind, family)
    text, text_type = top, family.wraps[0]
    own: Mapping[str, Any] = {}
    if nest is not None:
        nested = top.child(nest)
        assert nested is not None
        text = nested.child("text_config") or nested  # thinker_config.text_config
        text_type = text.text("model_type", default=text_type)
    elif not top.has(*_SIZES):
        text = Config({}, top.source, "text_config")  # all of it is the wrapper's
        own = nested_defaults(kind)
    else:  # older files (Qwen2-VL-2B, liuhaotian's LLaVA) hold the text model's keys at the top
        text.keys_read.update(key for key in sorted(text.keys()) if key.endswith("_config"))
    text_family = find_family(text_type)
    if text_family is not None and text_family.wraps:  # a text_config that names its wrapper
        text_type = text_family.wraps[0]
        text_family = find_family(text_type)
    if text_family is None:
        raise _unsupported(text, text_type)
    another = text_family is not find_family(family.wraps[0])
    if family.tower is None and (text_family.encoder or text_family.encodes):
        raise _unsupported(top, kind)
    chosen = replace(
        text_family,
        tower=family.tower,
        images=family.images,
        tied=family.tied or text_family.tied,
        ties=family.ties,
        assumptions=(
            *text_family.assumptions, *family.assumptions,
            *((Note("another_text", kind=kind, text=text_type, usual=family.wraps[0]),) * another),
        ),
    )  # fmt: skip
    own = {**own, **family.text_defaults.get(text_type, {})}
    return chosen, _with_defaults(text, text_type, text_family, own)


def _another_class(top: Config, kind: str) -> Note | None:
    """What is said where `architectures` names a class of another family than model_type does."""
    names = top.strings("architectures") or ()
    named = model_type_of(re.split(r"For[A-Z]|LMHead|WithLM|Model", names[0])[0]) if names else None
    if named is None or named == kind:
        return None
    family = find_family(named)
    if family is None or family is find_family(kind):
        return None
    text = nested_text_model(named)
    if text is not None and text[1] == kind:  # Gemma 3's text model alone keeps its wrapper's name
        return None
    return Note("another_class", name=names[0][:60], kind=kind)


def _unfolded(top: Config, kind: str, family: Family) -> Config:
    inner = top.raw(family.unfolded) if family.unfolded else {}
    if not isinstance(inner, Mapping):
        raise top.error("must be an object", family.unfolded)
    return top.overlaid({**inner, "model_type": kind}) if inner else top


def _with_defaults(text: Config, kind: str, family: Family, own: Any = None) -> Config:
    declared = class_defaults(kind)
    keys_read = text.keys_read
    found = text.with_defaults(
        {**declared, **family.defaults, **(own or {})}, has_class=bool(declared)
    )
    found.keys_read |= {key for key in keys_read if key.endswith("_config")}
    return found


def _unknown_wrapper(top: Config, kind: str) -> Family | None:
    """A wrapper that no family describes, around a text model that one does."""
    nests = nested_text_model(kind)
    nest = next((name for name in NESTS if top.has(name)), nests[0] if nests else None)
    if nest is None or nest not in NESTS or kind in CHANGED:
        return None
    name = nests[1] if nests else ""
    child = top.child(nest)
    inner = child and (child.child("text_config") or child)
    text_type = inner.text("model_type", default=name) if inner else name
    family = find_family(text_type)
    if family is None or family.encodes:
        return None
    for key in ("hidden_size", "vocab_size"):  # Ovis2's LM head is of the width beside its text's
        outer, own = top.raw(key), inner.raw(key) if inner else None
        if outer is not None and own is not None and outer != own:
            raise top.unsupported(f"is {outer}, but {own} in {nest}", key)
    return Family(
        (kind,), wraps=(text_type,),
        assumptions=(
            f"{kind or 'the wrapper'} is known by its text model alone: towers and projectors are "
            "not counted",
        ),
    )  # fmt: skip


def _unsupported(config: Config, kind: str) -> UnsupportedModelError:
    import difflib  # noqa: PLC0415  (only on the way to an error)

    from vperf.model.refused import WHY  # noqa: PLC0415

    near = difflib.get_close_matches(kind, all_families(), 3, 0.6)
    return UnsupportedModelError(
        f"model_type {kind!r} is not supported: "
        f"{WHY.get(kind, 'vperf does not know what its layers compute')}",
        source=config.source,
        hint=f"supported and near: {', '.join(near)}" if near else "",
    )

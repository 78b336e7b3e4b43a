"""Families of models, one file a lineage; every file's FAMILIES is named here once."""

from __future__ import annotations

from vperf.model.families import (
    deepseek,
    dense,
    encoder_decoder,
    gemma,
    hybrid,
    llama4,
    mamba_hybrid,
    moe,
    multimodal,
    nemotron,
    recurrent,
)
from vperf.model.families.family import Family

FAMILIES: dict[str, Family] = {
    model_type: family
    for module in (
        dense,
        moe,
        deepseek,
        llama4,
        hybrid,
        nemotron,
        mamba_hybrid,
        recurrent,
        gemma,
        multimodal,
        encoder_decoder,
    )
    for family in module.FAMILIES
    for model_type in family.model_types
}

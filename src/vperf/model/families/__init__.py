"""Families of models, one file a lineage; every file's FAMILIES is named here once."""

from __future__ import annotations

from vperf.model.families import deepseek, dense, gemma, hybrid, llama4, moe, multimodal, recurrent
from vperf.model.families.family import Family

FAMILIES: dict[str, Family] = {
    model_type: family
    for module in (dense, moe, deepseek, llama4, hybrid, recurrent, gemma, multimodal)
    for family in module.FAMILIES
    for model_type in family.model_types
}

"""Families of models, one file a lineage; every file is named here once.

A lineage is imported when a model_type is looked for that none before it has: a start costs what
it uses.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module

from vperf.model.families.family import Family

LINEAGES: dict[str, str] = {
    "dense": "Dense decoders: MHA, GQA and MQA; biases, QK norms, windows",
    "moe": "Mixture of experts: shared, first dense, interleaved, latent; block-sparse attention",
    "deepseek": "MLA, sparse attention with an indexer, compressed caches; experts",
    "gemma": "Gemma: windows by layer, shared KV layers, per-layer inputs",
    "hybrid": "Linear attention among full: Gated DeltaNet, KDA, lightning",
    "llama4": "Chunked attention with experts",
    "nemotron": "Layers of different shapes; Mamba-2 hybrids with latent experts",
    "mamba_hybrid": "Mamba, Mamba-2 and short convolutions among attention",
    "recent": "Models of late 2026: later indexers, gated residuals, tables of n-grams, loops",
    "layer_norm": "Dense decoders with LayerNorm: learned positions, ALiBi, parallel blocks",
    "recurrent": "Recurrence without attention, or almost: Mamba, xLSTM, RWKV, Griffin",
    "multimodal": "Multimodal wrappers and their text models: tower counted, text step modelled",
    "encoder_decoder": "Encoder-decoders: the prompt is the encoder's",
    "diffusion": "Diffusion language models: a block of tokens denoised at a time",
    "encoder": "Encoders like BERT: read a text both ways, generate no token",
    "encoder_layers": "Encoders whose layers are not BERT's: windows, relative positions, sparse",
}
"""Modules of this package, the most asked for first, with what each understands."""


@lru_cache(maxsize=len(LINEAGES))
def families_of(lineage: str) -> dict[str, Family]:
    """The families of one file by model_type."""
    rows: tuple[Family, ...] = import_module(f"{__name__}.{lineage}").FAMILIES
    return {model_type: family for family in rows for model_type in family.model_types}


def find_family(model_type: str) -> Family | None:
    """The family of a model_type, or None."""
    for lineage in LINEAGES:
        family = families_of(lineage).get(model_type)
        if family is not None:
            return family
    return None


def all_families() -> dict[str, Family]:
    """Every family by model_type: for lists and for suggestions beside an error."""
    return {name: row for lineage in LINEAGES for name, row in families_of(lineage).items()}

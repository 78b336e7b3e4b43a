"""The bundled model that a foreign name means: a file, a directory, a repository, a tag, a kind.

Publishers, caches and tools spell one model in a dozen ways. Names are compared by their words; a
kind ("llama 8B") is told from its siblings by its number of parameters. Not here: the format that a
name says (weight_names.py).
"""

from __future__ import annotations

import re
from functools import lru_cache

from vperf.model.config import Spelled
from vperf.model.gguf.architectures import ARCHITECTURES
from vperf.sources.models import ShippedModel, model_ids, shipped, shipped_model
from vperf.sources.weight_names import spellings, weight_name

_WORD = re.compile(
    r"bf16|fp\d+|a?\d+(?:\.\d+)?[bm](?![a-z])|\d+x\d+(?:\.\d+)?b|\d+e(?![a-z])|[a-z]+|\d+(?:\.\d+)?"
)
_OPTIONAL = frozenset(
    ("instruct", "it", "chat", "hf", "meta", "nvidia", "v", "text", "latest", "preview", "2507",
     "pt", "bf16", "reasoning", "0.1", "0.2", "0.3")
)  # fmt: skip
"""Words that do not change what a model computes, or that short names leave out."""
_SKIPPED = frozenset(("gguf", "moe", "dense", "model", "models", "ollama", "run", "the", "qat"))
_SIZE = re.compile(r"a?\d+(?:\.\d+)?[bm]")
_FILE_TYPE = re.compile(r" (?:mostly )?(?:I?Q\d|TQ\d|B?F16|F32|all F32|MXFP4|NVFP4).*$")
"""What llama.cpp's description of a model ends in: the file's type."""
_SAME_SIZE = 0.012
"""How far parameter counts of one model are apart: tied embeddings, vision towers left out."""
_TOWER = 0.06
"""How much more a model has with its vision tower, which a GGUF file leaves to another."""
_KINDS = {
    "llama": ("llama", "mistral", "mixtral"), "qwen2vl": ("qwen2_vl", "qwen2_5_vl"),
    "qwen3vl": ("qwen3_vl",), "qwen3vlmoe": ("qwen3_vl_moe",), "olmo2": ("olmo2", "olmo3"),
    "deepseek2": ("deepseek_v2", "kimi_k2", "kimi_k25", "glm4_moe_lite"), "mistral3": ("mistral3",),
}  # fmt: skip
"""model_types that an architecture of GGUF files stands for, beside its own."""
_NAMED_SIZE = 0.12
"""How far a size in a name is from the parameters."""
_LIBRARY = {
    "codestral": "mistralai/Codestral-22B-v0.1", "command-r": "CohereLabs/c4ai-command-r-08-2024",
    "command-r-plus": "CohereLabs/c4ai-command-r-plus-08-2024",
    "command-r7b": "CohereLabs/c4ai-command-r7b-12-2024",
    "deepseek-coder-v2": "deepseek-ai/DeepSeek-Coder-V2-Lite-Instruct",
    "deepseek-coder-v2:16b": "deepseek-ai/DeepSeek-Coder-V2-Lite-Instruct",
    "devstral": "mistralai/Devstral-Small-2507", "devstral:24b": "mistralai/Devstral-Small-2507",
    "gemma2": "google/gemma-2-9b-it", "gemma3": "google/gemma-3-4b-it",
    "gpt-oss": "openai/gpt-oss-20b", "llama2": "meta-llama/Llama-2-7b-chat-hf",
    "llama3": "meta-llama/Meta-Llama-3-8B-Instruct", "llama3.1": "meta-llama/Llama-3.1-8B-Instruct",
    "llama3.2": "meta-llama/Llama-3.2-3B-Instruct", "llama3.3": "meta-llama/Llama-3.3-70B-Instruct",
    "llama4": "meta-llama/Llama-4-Scout-17B-16E-Instruct",
    "llama4:scout": "meta-llama/Llama-4-Scout-17B-16E-Instruct",
    "llama4:maverick": "meta-llama/Llama-4-Maverick-17B-128E-Instruct",
    "magistral": "mistralai/Magistral-Small-2506",
    "magistral:24b": "mistralai/Magistral-Small-2506",
    "mistral": "mistralai/Mistral-7B-Instruct-v0.3",
    "mistral:7b": "mistralai/Mistral-7B-Instruct-v0.3",
    "mistral-large": "mistralai/Mistral-Large-Instruct-2411",
    "mistral-large:123b": "mistralai/Mistral-Large-Instruct-2411",
    "mistral-nemo": "mistralai/Mistral-Nemo-Instruct-2407",
    "mistral-nemo:12b": "mistralai/Mistral-Nemo-Instruct-2407",
    "mistral-small": "mistralai/Mistral-Small-24B-Instruct-2501",
    "mistral-small:22b": "mistralai/Mistral-Small-Instruct-2409",
    "mistral-small:24b": "mistralai/Mistral-Small-24B-Instruct-2501",
    "mistral-small3.1": "mistralai/Mistral-Small-3.1-24B-Instruct-2503",
    "mistral-small3.2": "mistralai/Mistral-Small-3.2-24B-Instruct-2506",
    "mixtral": "mistralai/Mixtral-8x7B-Instruct-v0.1", "phi3": "microsoft/Phi-3-mini-128k-instruct",
    "phi3:mini": "microsoft/Phi-3-mini-128k-instruct",
    "phi3:3.8b": "microsoft/Phi-3-mini-128k-instruct",
    "phi3:medium": "microsoft/Phi-3-medium-128k-instruct",
    "phi3:14b": "microsoft/Phi-3-medium-128k-instruct", "qwen2.5": "Qwen/Qwen2.5-7B-Instruct",
    "qwen2.5-coder": "Qwen/Qwen2.5-Coder-7B-Instruct", "qwen3": "Qwen/Qwen3-8B",
    "qwen3-coder": "Qwen/Qwen3-Coder-30B-A3B-Instruct", "qwq": "Qwen/QwQ-32B",
    "tinyllama": "TinyLlama/TinyLlama-1.1B-Chat-v1.0",
    "tinyllama:1.1b": "TinyLlama/TinyLlama-1.1B-Chat-v1.0",
}  # fmt: skip
"""Names of Ollama's library that no words of a model's id tell (ollama.com/library, December
2026): what `ollama run NAME` fetches."""


def read_spelling(typed: str, why: str = "") -> tuple[str, Spelled] | None:
    """The bundled model that a typed name means, and the format that it says: an Ollama tag, the
    name of a GGUF file, a repository of quantized weights, words. None where none is meant."""
    model = find_model(_PLACE.sub("", typed.strip()))
    return (model, weights_spelled(typed, why)) if model is not None else None


def weights_spelled(typed: str, why: str = "") -> Spelled:
    """The format that a typed name says, or that is usual of such names."""
    name = _PLACE.sub("", typed.strip())
    said = weight_name(name)
    if said.quantization is not None or not said.sure:
        return Spelled(typed, said.quantization, sure=said.sure, why=why)
    tagged = "/" not in name and (":" in name or name.lower() in _LIBRARY)
    if tagged or _OF_GGUF.search(name):
        usual = "q4_0" if _QAT.search(name) else USUAL_GGUF
        return Spelled(typed, usual, usual=True, why=why)
    return Spelled(typed, None, why=why)


USUAL_GGUF = "q4_k_m"
"""What Ollama's library has under a tag that says no format (docs.ollama.com, December 2026), and
what llama.cpp takes of a repository of GGUF files (tools/server/README.md, -hf)."""
_PLACE = re.compile(
    r"^(?:ollama (?:run|pull) )?(?:https?://)?"
    r"(?:(?:www\.)?(?:hf\.co|huggingface\.co)/|(?:registry\.)?ollama\.(?:com|ai)/(?:library/)?)?",
    re.IGNORECASE,
)
_QAT = re.compile(r"[-_:]qat(?![a-z])", re.IGNORECASE)
"""Trained for Q4_0, in which such files are (Gemma 3, ai.google.dev, April 2025)."""
_OF_GGUF = re.compile(r"gguf(?![a-z])", re.IGNORECASE)


def find_model(said: str, params: float | None = None) -> str | None:
    """The id of the bundled model that is meant; None where none is, or several could be.

    `params`: parameters that the tool counted, where it did.
    """
    names = spellings(said)
    for name in names:
        if found := _bundled(name) or _LIBRARY.get(name.lower()):
            return found
    if not names:
        return None
    found = _by_kind(said, params) if params else None
    return found or _by_words(_FILE_TYPE.sub("", names[-1]), params)


@lru_cache(maxsize=1)
def _by_short_name() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for known in model_ids():
        found.setdefault(known.split("/", 1)[1].lower(), []).append(known)
        found.setdefault(known.lower(), []).append(known)
    return found


def _bundled(name: str) -> str | None:
    """By its id, or by its name under whatever owner."""
    known = _by_short_name()
    found = known.get(name.lower()) or known.get(name.rsplit("/", 1)[-1].lower())
    return found[0] if found else None


def _by_kind(said: str, params: float) -> str | None:
    """Of the architecture that llama.cpp's description begins with ("qwen3moe 30B.A3B Q4_K")."""
    architecture = said.split(" ", 1)[0]
    row = ARCHITECTURES.get(architecture)
    if row is None:
        return None
    kinds = set(_KINDS.get(architecture, ()))
    if isinstance(row.model_type, str):
        kinds.add(row.model_type.removesuffix("_text"))
    fitting = sorted(
        (_rank(model.id), abs(model.parameters / params - 1), model.id)
        for model in _shipped()
        if model.model_type.removesuffix("_text") in kinds
        and -_SAME_SIZE < model.parameters / params - 1 < _TOWER
    )
    return fitting[0][-1] if fitting else None


@lru_cache(maxsize=1)
def _shipped() -> tuple[ShippedModel, ...]:
    return shipped()


def _rank(model_id: str) -> tuple[bool, bool, int]:
    """The plainest first: 16-bit weights, tuned to answer, with the shortest name."""
    short = model_id.split("/", 1)[1]
    words = _words(short)
    quantized = weight_name(short).quantization not in (None, "bf16")
    return quantized, not words & {"instruct", "it", "chat"}, len(short)


def _by_words(said: str, params: float | None) -> str | None:
    wanted = _words(said)
    if not any(word[0].isalpha() and len(word) > 1 for word in wanted):
        return None
    sizes = {word for word in wanted if _SIZE.fullmatch(word)}
    optional = _OPTIONAL | ({"distill", "qwen", "llama"} if "r1" in said.lower() else frozenset())
    fitting = []
    for known in model_ids():
        short = known.split("/", 1)[1]
        words = _words(short)
        missing, extra = wanted - words - _OPTIONAL, words - wanted - optional
        if missing and missing == sizes and not any(map(_SIZE.fullmatch, words)):
            size = max(float(word.strip("abm")) for word in sizes) * 1e9
            missing = missing if abs(_size(known) / size - 1) > _NAMED_SIZE else frozenset()
        if sizes and all(_SIZE.fullmatch(word) and word[0] == "a" for word in extra):
            extra = frozenset()
        if not missing and not extra and weight_name(short).quantization in (None, "bf16"):
            fitting.append((len(words - wanted), _rank(known), known))
    fitting.sort()
    if params is not None:
        fitting = [each for each in fitting if abs(_size(each[-1]) / params - 1) < _SAME_SIZE]
    if not fitting:
        return None
    alike = {_size(each[-1]) for each in fitting if each[0] == fitting[0][0]}
    return fitting[0][-1] if max(alike) / min(alike) - 1 < _SAME_SIZE else None


_TRILLION = re.compile(r"(?<=:\d)t$")
"""Of "kimi-k2:1t"."""


@lru_cache(maxsize=4096)
def _words(name: str) -> frozenset[str]:
    text = (
        _TRILLION.sub("000b", name.lower())
        .replace("_", " ")
        .replace("-", " ")
        .replace(":", " ")
        .replace("/", " ")
    )
    return frozenset(_WORD.findall(text.replace(".a", " a"))) - _SKIPPED


def _size(model_id: str) -> int:
    return shipped_model(model_id).parameters

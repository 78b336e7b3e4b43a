"""How near the speed-ups of speculative decoding are: python benchmarks/speculation.py

Each row of data/speculation.csv is a published pair of runs, with and without drafts, whose tokens
a step are known; the error is of their ratio. The draft_time of vLLM and SGLang (configs/engines)
is fitted to the rows of theirs, nothing else.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scoring import print_published

import vperf
from vperf.model.config import ModelConfig

DATA = Path(__file__).parent / "data" / "speculation.csv"
_LLAMA: dict[str, Any] = {
    "model_type": "llama", "hidden_size": 4096, "intermediate_size": 14336, "vocab_size": 128256,
    "num_attention_heads": 32, "num_key_value_heads": 8, "num_hidden_layers": 1,
    "torch_dtype": "float16",
}  # fmt: skip
HEADS: dict[str, dict[str, Any]] = {
    "eagle-8b": {**_LLAMA, "architectures": ["EagleLlamaForCausalLM"]},
    "eagle3-8b": {
        **_LLAMA, "architectures": ["LlamaForCausalLMEagle3"], "draft_vocab_size": 32000,
    },
    "eagle3-30b-a3b": {
        **_LLAMA, "architectures": ["LlamaForCausalLMEagle3"], "hidden_size": 2048,
        "intermediate_size": 12288, "num_key_value_heads": 4, "head_dim": 128,
        "vocab_size": 151936, "draft_vocab_size": 32000,
    },
}  # fmt: skip
"""Config files of the heads, as published."""


def predicted(row: dict[str, str]) -> tuple[float, float]:
    """(plain, drafted) output tok/s, as expected."""
    base: dict[str, Any] = {
        "engine": row["engine"], "tp": int(row["gpus"]), "batch_size": int(row["batch_size"]),
        "input_len": int(row["input_len"]), "output_len": int(row["output_len"]),
        "quantization": row["quantization"] or None,
    }  # fmt: skip
    drafts: dict[str, Any] = {
        "speculative": row["method"], "draft_tokens": int(row["draft_tokens"]),
        "acceptance_length": float(row["acceptance_length"]),
    }  # fmt: skip
    if row["draft"]:
        head = HEADS.get(row["draft"])
        found = ModelConfig(row["draft"], "local", row["draft"], head) if head else row["draft"]
        drafts["draft_model"] = found
        drafts["draft_quantization"] = row["draft_quantization"] or None
    if row["branches"] and int(row["branches"]) > 1:
        drafts |= {
            "draft_branches": int(row["branches"]), "verify_tokens": int(row["verify_tokens"]),
        }  # fmt: skip
    plain = vperf.estimate(row["target"], row["gpu"], **base)
    drafted = vperf.estimate(row["target"], row["gpu"], **base, **drafts)
    return plain.expected.decode_tokens_per_s, drafted.expected.decode_tokens_per_s


def line(row: dict[str, str]) -> tuple[str, float, str]:
    """What drafts on which engine, the error, and the row in words."""
    plain, drafted = predicted(row)
    measured = float(row["drafted_tok_s"]) / float(row["plain_tok_s"])
    found = drafted / plain
    error = found / measured - 1
    what = f"{row['method']} {row['draft_tokens']} b{row['batch_size']}"
    kind = f"{row['method']}, {row['engine']}"
    return (
        f"left out, {kind}" if row["left_out"] else kind,
        error,
        (
            f"{row['source']:26} {row['target'].split('/')[-1]:28} {what:20} measured "
            f"{measured:5.2f} x, expected {found:5.2f} x ({error:+.0%}); plain "
            f"{float(row['plain_tok_s']):5.0f} / {plain:5.0f} tok/s"
        ),
    )


if __name__ == "__main__":
    print_published(DATA, line)

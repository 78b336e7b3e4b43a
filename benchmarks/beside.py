"""What runs beside plain text serving, against published figures.

    python benchmarks/beside.py [KIND]

KIND is a file of data/ by its name: images, audio, lora, kv_cache, pools, diffusion, parallel,
memory; all without.
A row says what ran (`options` are fields of a Scenario, between semicolons), which figure was
measured and by whom. Nothing is fitted to them. Rows with `left_out` are printed, not counted.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from accuracy_offload import value_of
from scoring import print_published

from vperf.answer import Estimate
from vperf.api import ask
from vperf.explore.candidates import Layout, Targets
from vperf.explore.disaggregation import Splitting
from vperf.explore.grid import Point
from vperf.resolve import Resolver
from vperf.scenario import Scenario

KINDS = ("images", "audio", "lora", "kv_cache", "pools", "diffusion", "parallel", "memory")
DATA = Path(__file__).parent / "data"

_WHISPER = {
    "tiny": (384, 4, 6), "base": (512, 6, 8), "small": (768, 12, 12), "medium": (1024, 24, 16),
    "large-v2": (1280, 32, 20),
}  # fmt: skip


def _whisper(name: str) -> dict[str, Any]:
    """The config of a Whisper, as published."""
    width, layers, heads = _WHISPER[name]
    sides = {
        f"{side}_{key}": value
        for side in ("encoder", "decoder")
        for key, value in (("layers", layers), ("attention_heads", heads), ("ffn_dim", 4 * width))
    }
    return {
        "model_type": "whisper", "architectures": ["WhisperForConditionalGeneration"],
        "d_model": width, **sides, "vocab_size": 51865, "num_mel_bins": 80,
        "max_source_positions": 1500, "max_target_positions": 448, "torch_dtype": "float16",
    }  # fmt: skip


MODELS: dict[str, dict[str, Any]] = {
    **{f"whisper-{name}": _whisper(name) for name in _WHISPER},
    "llada-8b": {
        "model_type": "llada", "architectures": ["LLaDAModelLM"], "d_model": 4096,
        "mlp_hidden_size": 12288, "n_layers": 32, "n_heads": 32, "n_kv_heads": 32,
        "vocab_size": 126464, "max_sequence_length": 4096,
        "weight_tying": False, "torch_dtype": "bfloat16",
    },
    "dream-7b": {
        "model_type": "Dream", "architectures": ["DreamModel"], "hidden_size": 3584,
        "intermediate_size": 18944, "num_hidden_layers": 28, "num_attention_heads": 28,
        "num_key_value_heads": 4, "vocab_size": 152064, "max_position_embeddings": 131072,
        "tie_word_embeddings": False, "torch_dtype": "bfloat16",
    },
}  # fmt: skip
"""Config files of models that are not shipped, as published."""


def scenario_of(row: Mapping[str, str]) -> Scenario:
    """What a row asks."""
    options = (part.partition("=") for part in row["options"].split(";") if part)
    given = {name: value_of(name, value) for name, _, value in options}
    return Scenario(MODELS.get(row["model"], row["model"]), row["gpu"], **given)


def _answer(scenario: Scenario) -> Estimate:
    return ask(scenario)


def _ttft_s(scenario: Scenario) -> float:
    return _answer(scenario).expected.ttft_s


def _tower_s(scenario: Scenario) -> float:
    return _answer(scenario).workload.expected_encode_s


def _encode_s(scenario: Scenario) -> float:
    """The encoder and what it fills: a prompt's time less that of its first token's decoder."""
    answer = _answer(scenario)
    return answer.expected.ttft_s - answer.expected.tpot_s


def _requests_per_s(scenario: Scenario) -> float:
    """Of batches, one after another."""
    expected = _answer(scenario).expected
    tokens = max(0, scenario.output_len - 1)
    return scenario.batch_size / (expected.ttft_s + tokens * expected.tpot_s)


def _decode_tok_s(scenario: Scenario) -> float:
    return _answer(scenario).expected.decode_tokens_per_s


def _answer_tok_s(scenario: Scenario) -> float:
    """Tokens of an answer over its whole time."""
    expected = _answer(scenario).expected
    return scenario.output_len / (expected.ttft_s + (scenario.output_len - 1) * expected.tpot_s)


def _batch_tok_s(scenario: Scenario) -> float:
    """The same of all answers of a batch."""
    return scenario.batch_size * _answer_tok_s(scenario)


def _share_of_plain(scenario: Scenario) -> float:
    """Rate with adapters over the rate without."""
    plain = replace(scenario, lora_rank=None, max_loras=None, lora_targets=None)
    return _decode_tok_s(scenario) / _decode_tok_s(plain)


def _reload_s(scenario: Scenario) -> float:
    """Until a cache has come."""
    found = _answer(scenario).kept
    assert found
    return found.sent_s


def _pool_gib(scenario: Scenario) -> float:
    """What a card has for its cache."""
    return _answer(scenario).memory.pool_bytes / 2**30


def _pools(row: Mapping[str, str]) -> tuple[float, float]:
    """(TTFT, TPOT) of separate pools at the rate that was measured."""
    scenario = scenario_of(row)
    rate = scenario.request_rate
    assert rate
    splitting = Splitting(Resolver(), Targets(), rate, None, False, None)
    before, after = (int(count) for count in row["setup"].split(" ")[0].split(":"))
    layout = Layout(tp=scenario.tp)
    found = splitting.exactly(Point({}, scenario), layout, before, after, 8)
    assert found, "too much for so few"
    assert found.row.figures
    return found.row.figures.expected.ttft_s, found.row.figures.expected.tpot_s


FIGURES: dict[str, Callable[[Scenario], float]] = {
    "ttft_s": _ttft_s,
    "tower_s": _tower_s,
    "encode_s": _encode_s,
    "requests_per_s": _requests_per_s,
    "decode_tok_s": _decode_tok_s,
    "answer_tok_s": _answer_tok_s,
    "batch_tok_s": _batch_tok_s,
    "share_of_plain": _share_of_plain,
    "reload_s": _reload_s,
    "pool_gib": _pool_gib,
}


def predicted(row: Mapping[str, str]) -> float:
    """What the row measured, as expected."""
    if row["what"].startswith("pools_"):
        return _pools(row)[row["what"] == "pools_tpot_s"]
    return FIGURES[row["what"]](scenario_of(row))


def line(row: dict[str, str]) -> tuple[str, float, str]:
    """What it measured, the error, and the row in words."""
    measured, found = float(row["measured"]), predicted(row)
    error = found / measured - 1
    kind = f"left out, {row['what']}" if row["left_out"] else row["what"]
    what = f"{row['model'].split('/')[-1]:28} {row['gpu']:15} {row['what']:14}"
    return kind, error, f"{what} measured {measured:8.4g}, expected {found:8.4g} ({error:+.0%})"


if __name__ == "__main__":
    for name in sys.argv[1:] or KINDS:
        print(name)
        print_published(DATA / f"{name}.csv", line)

"""Names become values in one place; what scenarios share is found by what it is made of."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

import vperf
from vperf import Scenario
from vperf.errors import InputError, UnknownNameError
from vperf.resolve import Resolver, deploy
from vperf.scenario import OPTIONS
from vperf.sources.gpus import load_gpu
from vperf.speeds import speeds

QWEN = "Qwen/Qwen3-8B"
BASE = Scenario("deepseek-ai/DeepSeek-V3", "h200", tp=8, speculative="mtp", acceptance=0.8)

OTHER: dict[str, Any] = {
    "model": "deepseek-ai/DeepSeek-R1",
    "gpu": "b200",
    "quantization": "int4",
    "kv_cache_dtype": "fp8",
    "max_model_len": 100,
    "engine": "sglang",
    "tp": 16,
    "pp": 2,
    "ep": 8,
    "dp": 2,
    "pcp": 2,
    "dcp": 8,
    "cuda_graphs": False,
    "speculative": None,
    "draft_tokens": 2,
    "draft_branches": 2,
    "verify_tokens": 2,
    "lora_rank": 16,
    "gpu_memory_utilization": 0.5,
    "max_num_seqs": 7,
    "max_num_batched_tokens": 777,
    "peer_access": "no",
    "gpus_per_node": 4,
    "node_link": "25 GB/s",
    "memory_bandwidth": "1 TB/s",
    "memory": "1 TB",
    "peak": ("fp8=1 PFLOPS",),
}
"""Another value of every option that shapes the model, or its card."""
FROM_ELSEWHERE = {
    "revision",
    "gpu_file",
    "draft_model",
    "draft_quantization",
    "max_loras",
    "lora_targets",
    "task",
    "block_length",
}
AT_HOME = Scenario("openai/gpt-oss-20b", "rtx-4070+rtx-3060-12gb", n_cpu_moe=3)
PLACED: dict[str, Any] = {
    "host": "EPYC 9654",
    "host_memory": "DDR5-6400 x2",
    "n_gpu_layers": 9,
    "n_cpu_moe": 4,
    "cpu_moe": True,
    "override_tensor": ["ffn_up_exps=CPU"],
    "tensor_split": "1,1",
}
"""The same of options that place layers."""


def test_only_options_declared_to_be_of_the_load_share_a_replica() -> None:
    resolver = Resolver()
    replica = resolver.deployment(BASE).replica
    shaping = {name for name, option in OPTIONS.items() if option.shapes != "load"}
    assert shaping == OTHER.keys() | FROM_ELSEWHERE | PLACED.keys() | {"cpu_offload_gb"}
    at_home = resolver.deployment(AT_HOME).replica
    for name, value in PLACED.items():
        assert resolver.deployment(replace(AT_HOME, **{name: value})).replica is not at_home, name
    for name, value in OTHER.items():
        change = {name: value} if value is not None else {name: value, "acceptance": None}
        assert resolver.deployment(replace(BASE, **change)).replica is not replica, name
    for load in ({"batch_size": 9}, {"input_len": 5}, {"max_concurrency": 3}, {"acceptance": 0.1}):
        assert resolver.deployment(replace(BASE, **load)).replica is replica


def test_every_option_of_the_model_changes_it_whatever_was_resolved_before() -> None:
    resolver = Resolver()
    resolver.deployment(BASE)
    for name, value in OTHER.items():
        if OPTIONS[name].shapes == "card":
            continue
        change = {name: value} if value is not None else {name: value, "acceptance": None}
        scenario = replace(BASE, **change)
        assert speeds(resolver.deployment(scenario)) == speeds(deploy(scenario)), name


def test_models_that_draft_are_told_apart() -> None:
    resolver = Resolver()
    one, other = (
        resolver.deployment(
            Scenario("Qwen/Qwen3-32B", "h200", speculative="draft_model", draft_model=draft,
                     draft_tokens=3, acceptance=0.5)
        )
        for draft in ("Qwen/Qwen3-0.6B", "Qwen/Qwen3-4B")
    )  # fmt: skip
    assert one.replica is not other.replica
    assert speeds(one).expected.tpot_s < speeds(other).expected.tpot_s


def test_every_field_of_a_scenario_says_what_it_shapes() -> None:
    assert {field.name for field in fields(Scenario)} == OPTIONS.keys()
    assert {option.shapes for option in OPTIONS.values()} == {"both", "model", "card", "load"}


def test_a_misspelt_card_is_refused_before_a_config_is_looked_for() -> None:
    with pytest.raises(UnknownNameError, match="hh100"):
        vperf.estimate("foo/bar", "hh100")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"engine": "vlm"}, "vlm"),
        ({"quantization": "fp9"}, "fp9"),
        ({"kv_cache_dtype": "fp9"}, "fp9"),
        ({"workload": "chit-chat"}, "chit-chat"),
        ({"acceptance": 0.5}, "means nothing without speculative"),
        ({"memory": "much"}, "much"),
    ],
)
def test_what_is_cheap_to_refuse_comes_before_the_network(
    options: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        vperf.estimate("foo/bar", "h100", **options)


def test_a_what_if_changes_one_thing_and_shares_the_rest() -> None:
    resolver = Resolver()
    base = resolver.deployment(Scenario(QWEN, "h100", input_len=300))
    other = resolver.what_if(base, batch_size=8)
    assert other.replica is base.replica
    assert (other.lengths, other.batch_size) == (base.lengths, 8)


def test_a_what_if_on_another_card_forgets_the_figures_given_for_the_first() -> None:
    resolver = Resolver()
    base = resolver.deployment(Scenario(QWEN, "h100", memory="200 GB"))
    other = resolver.what_if(base, gpu=load_gpu("l40s"))
    assert base.card.gpu.memory_bytes == 200e9
    assert other.card.gpu == load_gpu("l40s")


def test_a_resolver_forgets_so_that_memory_stays_flat() -> None:
    resolver = Resolver(keep=4)
    for tp in (1, 2, 4, 8):
        for dtype in ("bf16", "fp8"):
            resolver.deployment(Scenario(QWEN, "h100", tp=tp, kv_cache_dtype=dtype))
    assert len(resolver._known) == 4
    assert len(resolver._replicas) == 4


def test_dir_shows_what_there_is_and_old_names_stay() -> None:
    assert set(vperf.__all__) <= set(dir(vperf))
    assert vperf.Question is vperf.Scenario
    assert vperf.Bars is vperf.Thresholds


@pytest.mark.parametrize(
    ("model", "engine", "quantization", "taken"),
    [
        ("llama3.1:8b", None, "q4_k_m", "llama.cpp"),
        ("llama3.1:8b", "vllm", "bf16", "vllm"),  # which reads no file of Ollama's
        ("gpt-oss:20b", None, "mxfp4_moe", "llama.cpp"),  # as it was published
        ("Qwen3-8B-Q6_K.gguf", None, "q6_k", "llama.cpp"),
        ("Qwen3 8B", None, "bf16", "vllm"),
    ],
)
def test_a_spelled_model_has_the_format_and_engine_of_such_names_and_says_so(
    model: str, engine: str | None, quantization: str, taken: str
) -> None:
    answer = vperf.estimate(model, "rtx-4090", engine=engine)
    assert (answer.model.quantization, answer.workload.engine) == (quantization, taken)
    said = [note for note in answer.assumptions if note.kind == "spelled_model"]
    assert [note.values["typed"] for note in said] == ([model] if model != "Qwen3 8B" else [])

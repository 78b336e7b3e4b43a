"""Commands as a shell reads them, with the flags that an estimate assumes."""

from __future__ import annotations

import shlex
from dataclasses import replace

import pytest

from vperf.report.commands import Bench, Drafts, Server, bench, folded, launch, on_nodes

ENGINES = ("vllm", "sglang", "trtllm")

SERVER = Server("vllm", "a/b", tp=2, pp=2, ep=8, dp=4, kv_cache="fp8", quantization="fp8",
                drafts=Drafts("mtp", 1, 2), cuda_graphs=False, max_model_len=4500,
                memory_utilization=0.9, max_batched_tokens=8192, max_sequences=256)  # fmt: skip


def _words(engine: str, server: Server = SERVER) -> list[str]:
    (*_, last) = launch(replace(server, engine=engine))
    return shlex.split(" ".join(last))


def _value(words: list[str], flag: str) -> str:
    return words[words.index(flag) + 1]


def test_vllm_counts_groups_apart_and_sglang_and_trtllm_within_a_stage() -> None:
    vllm, sglang, trtllm = map(_words, ENGINES)
    assert _value(vllm, "--tensor-parallel-size") == "2"
    assert _value(vllm, "--data-parallel-size") == "4"
    assert "--enable-expert-parallel" in vllm
    assert _value(sglang, "--tp-size") == "8"
    assert _value(sglang, "--dp-size") == "4"
    assert _value(trtllm, "--tp_size") == "8"
    assert _value(trtllm, "--ep_size") == "8"
    config = " ".join(launch(replace(SERVER, engine="trtllm"))[0])
    assert "enable_attention_dp: true" in config
    assert "{dtype: fp8, free_gpu_memory_fraction: 0.9}" in config


@pytest.mark.parametrize(
    ("engine", "flags"),
    [
        ("vllm", "--max-model-len 4500 --max-num-batched-tokens 8192 --max-num-seqs 256 "
                 "--gpu-memory-utilization 0.9 --kv-cache-dtype fp8 --enforce-eager"),
        ("sglang", "--context-length 4500 --chunked-prefill-size 8192 --max-running-requests 256 "
                   "--mem-fraction-static 0.9 --kv-cache-dtype fp8_e4m3 --disable-cuda-graph"),
        ("trtllm", "--max_seq_len 4500 --max_num_tokens 8192 --max_batch_size 256"),
    ],
)  # fmt: skip
def test_what_the_estimate_assumes_is_in_the_command(engine: str, flags: str) -> None:
    text = " ".join(_words(engine))
    for flag in flags.split(" --"):
        assert flag.removeprefix("--") in text


def test_a_role_makes_a_server_do_one_phase() -> None:
    assert "kv_connector" in " ".join(_words("vllm", replace(SERVER, role="prefill")))
    assert _value(_words("sglang", replace(SERVER, role="decode")), "--disaggregation-mode") == (
        "decode"
    )
    assert launch(replace(SERVER, engine="trtllm", role="decode")) == []


def test_a_replica_across_nodes_is_started_on_each() -> None:
    """As the engines' own documents have it for two nodes of eight."""
    across = replace(SERVER, tp=8, pp=2, dp=1, ep=1, node_gpus=8)
    first, second = (" ".join(words) for words in launch(across))
    assert "--nnodes 2 --node-rank 0 --master-addr $HEAD" in first
    assert "--headless" not in first
    assert "--nnodes 2 --node-rank 1 --master-addr $HEAD --headless" in second
    plain = replace(across, drafts=None, quantization="")
    for rank, words in enumerate(launch(replace(plain, engine="sglang"))):
        assert f"--nnodes 2 --node-rank {rank} --dist-init-addr $HEAD:20000" in " ".join(words)
    tensorrt = launch(replace(plain, engine="trtllm"))[-1]
    assert tensorrt[0].startswith("srun --nodes 2 --ntasks 16 --ntasks-per-node 8 ")
    assert tensorrt[0].endswith(" trtllm-llmapi-launch")
    (one,) = launch(replace(across, pp=1))
    assert "node" not in " ".join(one)
    groups = [" ".join(words) for words in launch(replace(across, tp=1, pp=1, dp=32, ep=32))]
    assert "--data-parallel-size-local 8 --data-parallel-address $HEAD" in groups[0]
    assert "--data-parallel-start-rank $(($NODE * 8)) --headless" in groups[1]
    assert on_nodes(launch(across), 2) == ", on 2 nodes ($HEAD: the address of the first)"
    assert launch(replace(plain, engine="mlx")) == []


def test_plain_settings_need_no_flags_and_other_engines_have_no_commands() -> None:
    assert launch(Server("vllm", "a/b")) == [["vllm serve", "a/b"]]
    assert launch(Server("trtllm", "a/b")) == [["trtllm-serve", "a/b"]]
    assert launch(Server("llama.cpp", "a/b")) == []
    assert bench("llama.cpp", "a/b", Bench(1, 1)) == []


def test_ids_are_quoted_for_the_shell() -> None:
    for engine in ENGINES:
        words = shlex.split(" ".join(bench(engine, "a/$(x);b", Bench(10, 5, 4))))
        assert "x" not in words
        assert _words(engine, replace(SERVER, model="a/$(x);b")).count("a/$(x);b") == 1


def test_a_rate_is_measured_for_two_minutes_and_users_ten_times() -> None:
    assert bench("vllm", "m", Bench(1, 1, None, 5.0))[-2:] == [
        "--request-rate 5", "--num-prompts 600",
    ]  # fmt: skip
    assert bench("vllm", "m", Bench(1, 1, 8))[-2:] == ["--max-concurrency 8", "--num-prompts 80"]
    text = " ".join(bench("vllm", "m", Bench(100, 10, 1, prefix_tokens=40)))
    assert "--random-input-len 60" in text
    assert "--random-prefix-len 40" in text
    assert bench("sglang", "m", Bench(100, 10, 1, prefix_tokens=40)) == []


def test_lines_end_in_a_backslash_but_the_last() -> None:
    lines = folded(["vllm serve", *(f"--flag-{n} {n}" for n in range(20))], 80)
    assert len(lines) > 2
    assert all(line.endswith(" \\") and len(line) <= 80 for line in lines[:-1])
    assert not lines[-1].endswith("\\")


@pytest.mark.parametrize(
    ("method", "words"),
    [
        ("draft_model", {"vllm": '"method": "draft_model", "model": "b/c"', "sglang": "STANDALONE",
                         "trtllm": "decoding_type: DraftTarget"}),
        ("eagle3", {"vllm": '"method": "eagle3", "model": "b/c"', "trtllm": "decoding_type: Eagle",
                    "sglang": "EAGLE3 --speculative-draft-model-path b/c"}),
        ("ngram", {"vllm": '"prompt_lookup_max": 4', "sglang": "NGRAM", "trtllm": "NGram"}),
    ],
)  # fmt: skip
def test_every_engine_spells_what_drafts_in_its_own_way(method: str, words: dict[str, str]) -> None:
    model = "" if method == "ngram" else "b/c"
    for engine, word in words.items():
        commands = launch(Server(engine, "a/b", drafts=Drafts(method, 3, 4, model)))
        assert word in " ".join(" ".join(each) for each in commands)


def test_what_an_engine_cannot_draft_has_no_command() -> None:
    tree = Drafts("eagle3", 5, 64, "b/c", branches=8)
    assert "--speculative-eagle-topk 8" in " ".join(launch(Server("sglang", "a/b", drafts=tree))[0])
    assert launch(Server("vllm", "a/b", drafts=tree)) == []
    assert launch(Server("trtllm", "a/b", drafts=Drafts("eagle", 3, 4, "b/c"))) == []


def test_adapters_are_in_the_command() -> None:
    server = Server("vllm", "a/b", lora_rank=16, max_loras=8)
    assert "--enable-lora --max-lora-rank 16 --max-loras 8" in " ".join(launch(server)[0])
    for engine, word in (("sglang", "--max-loras-per-batch 8"), ("trtllm", "max_lora_rank: 16")):
        commands = launch(replace(server, engine=engine))
        assert word in " ".join(" ".join(each) for each in commands)
    assert launch(replace(server, engine="transformers")) == []


def test_a_cache_in_host_memory_is_in_the_command() -> None:
    # vLLM counts GiB of all cards, the others what each has.
    server = Server("vllm", "a/b", tp=2, kv_offload=True, kv_offload_bytes=64 * 2.0**30)
    assert _value(_words("vllm", server), "--kv-offloading-size") == "64"
    assert _value(_words("sglang", server), "--hicache-size") == "34"
    config = " ".join(launch(replace(server, engine="trtllm"))[0])
    assert f"host_cache_size: {32 * 2**30}" in config
    # Of what size, only SGLang decides itself.
    unsized = replace(server, kv_offload_bytes=None)
    assert "--enable-hierarchical-cache" in _words("sglang", unsized)
    assert launch(unsized) == []
    assert launch(replace(unsized, engine="trtllm")) == []

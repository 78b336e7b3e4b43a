"""llama-bench: one test a row, whatever the output format."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from tests.checks.importers.files import DATA, result, results
from vperf.checks.importers import read_results, results_in, results_of
from vperf.checks.importers.document import parse
from vperf.errors import InputError


def test_rows_are_prefill_decode_at_a_depth_and_both() -> None:
    prefill, decode, deep, both = results("llama_bench.json")
    assert [r.label for r in results("llama_bench.json")] == [
        "pp512", "tg128", "tg128 @ d8192", "pp512+tg128",
    ]  # fmt: skip
    assert (prefill.prefill_tokens_per_s, prefill.decode_tokens_per_s) == (11842.31, None)
    assert (decode.decode_tokens_per_s, decode.prefill_tokens_per_s) == (218.44, None)
    assert (prefill.setup.input_len, prefill.setup.output_len) == (512, 0)
    assert (decode.setup.input_len, decode.setup.output_len, decode.setup.past_len) == (0, 128, 0)
    assert deep.setup.past_len == 8192
    assert both.latency_s == pytest.approx(640 / 1011.7)
    assert decode.spread == pytest.approx(0.61 / 218.44)


def test_a_row_says_model_file_quantization_gpu_and_build() -> None:
    setup = results("llama_bench.json")[0].setup
    assert setup.model == "models/Qwen3-4B-Instruct-2507-Q4_K_M.gguf"
    assert setup.quantization == "q4_k_m"
    assert (setup.gpu, setup.gpus) == ("NVIDIA GeForce RTX 4090", 1)
    assert (setup.engine, setup.engine_version) == ("llama.cpp", "b7142")
    assert setup.kv_cache_dtype == "f16"
    assert (setup.weight_bytes, setup.params) == (2491731968, 4022468096)


def test_csv_rows_read_as_json_ones() -> None:
    assert results("llama_bench.csv") == results("llama_bench.json")[:2]


def test_layers_split_over_two_gpus_are_a_pipeline() -> None:
    run = results("llama_bench.jsonl")[1]
    assert (run.setup.gpu, run.setup.gpus) == ("NVIDIA H100 80GB HBM3", 2)
    assert (run.setup.pp, run.setup.tp) == (2, None)
    assert (run.setup.quantization, run.setup.kv_cache_dtype) == ("mxfp4_moe", "q8_0")


def test_a_table_has_the_gpu_of_the_lines_above_and_the_build_below() -> None:
    table, rows = results("llama_bench.md"), results("llama_bench.json")
    assert [r.label for r in table] == [r.label for r in rows]
    assert [r.decode_tokens_per_s for r in table] == [r.decode_tokens_per_s for r in rows]
    assert [r.spread for r in table] == pytest.approx([r.spread for r in rows])
    assert table[0].setup.gpu == "NVIDIA GeForce RTX 4090"
    assert table[0].setup.engine_version == "b7142"
    assert table[0].setup.weight_bytes == pytest.approx(2491731968, rel=1e-3)
    assert table[0].setup.model == "qwen3 4B Q4_K - Medium"


def test_a_table_of_2023_spells_tests_with_a_blank() -> None:
    prefill, decode = results("llama_bench_2023.md")
    assert (prefill.label, decode.label) == ("pp512", "tg128")
    assert decode.decode_tokens_per_s == 66.31
    assert decode.setup.quantization == "q4_0"
    assert decode.setup.gpu is None


def test_a_run_on_the_cpu_is_one_of_the_host() -> None:
    run = result("llama_bench_2024.json")
    assert run.setup.gpu == "cpu:AMD Ryzen 9 7950X 16-Core Processor"
    assert run.setup.n_gpu_layers is None
    assert run.setup.quantization == "fp32"
    assert run.setup.kv_cache_dtype is None
    assert run.notes == (
        "ran on the CPU (AMD Ryzen 9 7950X 16-Core Processor)",
        "keys and values of the cache differ: f16 and q8_0",
    )
    assert run.warnings == ()


def row(tmp_path: Path, **fields: object) -> Path:
    values = json.loads((DATA / "llama_bench.json").read_text())[1] | fields
    (tmp_path / "row.json").write_text(json.dumps([values]))
    return tmp_path / "row.json"


@pytest.mark.parametrize(
    ("kind", "quantization"),
    [
        ("llama 8B Q8_0", "q8_0"),
        ("llama 8B Q5_K - Small", "q5_k_s"),
        ("qwen2 7B Q2_K - Medium", "q2_k"),
        ("gemma3 12B IQ4_XS - 4.25 bpw", "iq4_xs"),
        ("llama 70B IQ3_S mix - 3.66 bpw", "iq3_m"),
        ("llama 8B BF16", "bf16"),
        ("qwen3moe 30B.A3B Q6_K", "q6_k"),
        ("llama 13B mostly Q4_K - Medium", "q4_k_m"),
        ("bitnet 2B TQ1_0 - 1.69 bpw ternary", "tq1_0"),
        ("llama 8B Q4_0 (guessed)", "q4_0"),
    ],
)
def test_file_types_get_the_names_that_vperf_accepts(
    tmp_path: Path, kind: str, quantization: str
) -> None:
    assert read_results(row(tmp_path, model_type=kind))[0].setup.quantization == quantization


def test_a_file_type_without_a_name_is_said(tmp_path: Path) -> None:
    (run,) = read_results(row(tmp_path, model_type="llama 8B unknown, may not work"))
    assert run.setup.quantization is None
    assert run.notes == (
        "the quantization of llama 8B unknown, may not work is none that vperf names",
    )


def test_gpus_of_several_kinds_are_none_of_them(tmp_path: Path) -> None:
    names = "NVIDIA GeForce RTX 4090, NVIDIA GeForce RTX 3090"
    (run,) = read_results(row(tmp_path, gpu_info=names))
    assert (run.setup.gpu, run.setup.gpus) == (None, 2)
    assert run.notes == (f"GPUs of several kinds: {names}",)
    (run,) = read_results(row(tmp_path, gpu_info=names, split_mode="none"))
    assert (run.setup.gpu, run.setup.gpus) == ("NVIDIA GeForce RTX 4090", 1)


def test_layers_left_to_the_cpu_and_slower_attention_are_said(tmp_path: Path) -> None:
    (run,) = read_results(row(tmp_path, n_gpu_layers=20, flash_attn=0, no_kv_offload=True))
    assert run.warnings == (
        "the KV cache stays in host memory (-nkvo)",
        "flash attention was off (-fa 0)",
    )
    assert run.setup.n_gpu_layers == 20
    (run,) = read_results(row(tmp_path, n_gpu_layers=-1, flash_attn=-1))
    assert (run.notes, run.setup.n_gpu_layers) == ((), None)


def test_what_lies_where_is_read(tmp_path: Path) -> None:
    (run,) = read_results(
        row(tmp_path, n_gpu_layers=99, n_cpu_moe=12, n_ubatch=2048, tensor_split="3.00/1.00",
            cpu_info="AMD EPYC 9654 96-Core Processor")
    )  # fmt: skip
    said = run.setup
    assert (said.n_gpu_layers, said.n_cpu_moe, said.tensor_split) == (None, 12, "3.00/1.00")
    assert (said.cpu, said.max_batched_tokens) == ("AMD EPYC 9654 96-Core Processor", 2048)
    (run,) = read_results(row(tmp_path, n_gpu_layers=0, tensor_split="0.00"))
    assert (run.setup.n_gpu_layers, run.setup.n_cpu_moe, run.setup.tensor_split) == (0, None, None)


def test_a_row_without_tokens_is_no_test(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the row is no test"):
        read_results(row(tmp_path, n_prompt=0, n_gen=0))


@pytest.mark.parametrize("end", ["218.44", "218.44 ± 0.61"])
def test_a_row_cut_in_its_last_cell_is_an_error(tmp_path: Path, end: str) -> None:
    text = (DATA / "llama_bench.md").read_text()
    (tmp_path / "cut.md").write_text(text[: text.index(end) + len(end)])
    runs = read_results(tmp_path / "cut.md")
    assert len(runs) == 1
    assert runs[0].warnings == ("left out: line 7: the row of the table is cut",)


def test_a_csv_row_that_is_cut_is_an_error(tmp_path: Path) -> None:
    text = (DATA / "llama_bench.csv").read_text()
    (tmp_path / "cut.csv").write_text(text[:-40])
    with pytest.raises(InputError, match=r"line 3: has 38 values under 40 columns|not CSV"):
        read_results(tmp_path / "cut.csv")


def test_the_same_tests_of_several_builds_are_told_apart() -> None:
    rows = json.loads((DATA / "llama_bench.json").read_text())[:2]
    newer = [{**row, "build_number": 9999, "build_commit": "fff"} for row in rows]
    labels = [each.label for each in results_in([*rows, *newer])]
    assert labels[2:] == ["pp512 (b9999)", "tg128 (b9999)"]
    assert len(set(labels)) == 4
    assert [each.label for each in results_in([*rows, *rows])][::2] == ["pp512 (1)", "pp512 (2)"]


def test_sql_holds_what_the_csv_does() -> None:
    for one, other in zip(results("llama_bench.sql"), results("llama_bench.csv"), strict=True):
        assert one == replace(other, label=one.label)


def test_rows_copied_without_their_head_are_known_by_their_cells() -> None:
    rows = "\n".join((DATA / "llama_bench.md").read_text().splitlines()[-6:])
    whole = {run.label: run for run in results("llama_bench.md")}
    for run in results_of(parse(rows, "a file")):
        assert run.measured == whole[run.label].measured
        assert run.setup.weight_bytes == whole[run.label].setup.weight_bytes
        assert run.setup.quantization == whole[run.label].setup.quantization


def test_the_table_of_mistralrs_is_not_llama_bench() -> None:
    decode, prefill = results("mistralrs_bench.txt")
    assert (decode.tool, decode.setup.engine) == ("mistralrs-bench", None)
    assert (decode.decode_tokens_per_s, prefill.prefill_tokens_per_s) == (73.838, 1141.041)
    assert (decode.setup.output_len, prefill.setup.input_len) == (128, 512)


def test_experts_that_were_moved_to_the_host_are_the_setup() -> None:
    row = json.loads((DATA / "llama_bench.jsonl").read_text().splitlines()[0])
    moved = row | {"tensor_buft_overrides": "exps=CPU;x=RPC[10.0.0.1:50052]"}
    (run,) = results_of(parse(json.dumps(moved), "a file"))
    assert run.setup.override_tensor == ("exps=CPU",)
    assert any("-ot x=RPC" in note for note in run.notes)
    (run,) = results_of(parse(json.dumps(row | {"tensor_buft_overrides": "none"}), "a file"))
    assert run.setup.override_tensor is None


def test_an_error_shows_a_number_that_is_none_as_the_file_has_it() -> None:
    rows = json.loads((DATA / "llama_bench.json").read_text())
    for field, value, written in (
        ("model_filename", math.inf, "Infinity is not a text"),
        ("avg_ts", -math.inf, "-Infinity is not a measurement"),
    ):
        text = json.dumps([{**rows[0], field: value}])
        with pytest.raises(InputError, match=f"{field}: {written}"):
            results_of(parse(text, "a file"))

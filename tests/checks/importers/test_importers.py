"""What holds for every format: recognition by content, errors for all that is not whole."""

from __future__ import annotations

import copy
import io
import itertools
import json
import math
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.checks.importers.files import DATA, FILES, results
from tests.every import every
from vperf.checks.importers import FORMATS, read_results, results_of
from vperf.checks.importers.document import Document, parse
from vperf.checks.importers.recognise import JsonFormat, read_document
from vperf.checks.result import Result
from vperf.errors import InputError, VperfError

JSON_FILES = tuple(name for name in FILES if name.endswith((".json", ".jsonl")))


def read_text(text: str) -> tuple[Result, ...]:
    return results_of(parse(text, "a file"))


@every((name, (name,)) for name in FILES)
def test_the_order_of_formats_does_not_matter(name: str) -> None:
    document = parse((DATA / name).read_text(), "a file")
    assert read_document(document, FORMATS[::-1]) == read_document(document, FORMATS)


@every((name, (name,)) for name in FILES)
def test_every_result_has_a_tool_and_a_figure_and_says_what_it_took_for_granted(name: str) -> None:
    for run in results(name):
        assert run.tool
        assert all(note == note.strip() and note for note in run.notes)
        assert run.setup.input_len is not None or run.setup.model or run.notes


@pytest.mark.parametrize("name", JSON_FILES)
def test_json_that_ends_early_is_said_wherever_it_ends(name: str) -> None:
    text = (DATA / name).read_text().rstrip()
    first_line = json.JSONDecoder().raw_decode(text)[1]
    for end in {1, 2, *range(3, first_line, max(1, first_line // 60)), first_line - 1}:
        with pytest.raises(InputError, match="ends in the middle of JSON at line"):
            read_text(text[:end])


def test_a_broken_last_line_is_left_out_and_named() -> None:
    text = (DATA / "sglang_serving.jsonl").read_text()
    (run,) = read_text(text[:-30])
    assert run.warnings == ("left out: ends in the middle of JSON at line 2",)


def test_a_broken_line_in_the_middle_is_left_out_and_named() -> None:
    first, second, _ = (DATA / "sglang_serving.jsonl").read_text().split("\n")
    runs = read_text(f"{first}\n{second[:40]}\n{second}\n")
    assert len(runs) == 2
    assert "left out: is not JSON at line 2" in runs[0].warnings[0]


def test_a_bad_result_is_left_out_and_named_with_its_line() -> None:
    text = (DATA / "llama_bench.jsonl").read_text().replace('"avg_ts": 168.2', '"avg_ts": null')
    (run,) = read_text(text)
    assert "left out: line 2 avg_ts: is missing or null" in run.warnings


def test_a_bad_value_of_the_only_result_is_named() -> None:
    text = (DATA / "llama_bench.jsonl").read_text().splitlines()[1]
    with pytest.raises(InputError, match="avg_ts: is missing or null"):
        read_text(text.replace('"avg_ts": 168.2', '"avg_ts": null'))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "holds an empty list"),
        ("[1, 2]", "is no benchmark result that vperf knows"),
        ("[\n1, 2]", "holds int, not an object"),
        ('{"schema": "vperf/estimate/1"}', r"is an answer of vperf \(vperf/estimate/1\)"),
        ('{"a": 1}', "is no benchmark result that vperf knows"),
        ('{"a": 1} trailing', "is no benchmark result that vperf knows"),
        ("the server answered quickly", "is no benchmark result that vperf knows"),
        ("a,b,c\n1,2", "line 2: has 2 values under 3 columns"),
        ("a,b,c\n1,2,3", "is no benchmark result that vperf knows"),
        ('{"a": ' + "[" * 100_000, "no benchmark tool writes|ends in the middle"),
        ('{"a": ' + "9" * 5000 + "}", "no benchmark tool writes"),
    ],
)  # fmt: skip
def test_what_is_no_result_is_told_so(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_text(text)


def test_the_nearest_format_and_its_missing_keys_are_named() -> None:
    values = json.loads((DATA / "vllm_serve.json").read_text())
    del values["model_id"]
    with pytest.raises(InputError, match=r"looks like .*vllm bench serve but for model_id") as e:
        read_text(json.dumps(values))
    assert "llama-bench" in e.value.hint


def test_json_among_log_lines_is_read() -> None:
    text = (DATA / "llama_bench.json").read_text()
    found = read_text(f"ggml_cuda_init: found 1 CUDA devices:\n{text}\nall done\n")
    assert found == read_text(text)


def test_a_text_of_several_tools_gives_the_results_of_each_in_its_order() -> None:
    names = ("mlx_generate.txt", "llama_bench.md", "vllm_serve.txt")
    text = "\n".join((DATA / name).read_text() for name in names)
    tools = list(dict.fromkeys(run.tool for run in read_text(text)))
    assert tools == ["mlx_lm.generate", "llama-bench", "vllm bench serve"]


def test_colours_and_quotes_around_a_text_do_not_matter() -> None:
    text = (DATA / "vllm_serve.txt").read_text()
    assert read_text(f"\x1b[?25l\x1b[1G{text}\x1b[0m") == read_text(text)
    assert read_text("".join(f"> {line}\n" for line in text.splitlines())) == read_text(text)


def test_a_header_without_rows_is_told_to_be_that() -> None:
    header = (DATA / "llama_bench.csv").read_text().splitlines()[0]
    with pytest.raises(InputError, match="has a header and no rows: the run wrote no result"):
        read_text(header + "\n")


def test_a_log_that_begins_like_json_does_not_hide_its_summary() -> None:
    text = "[2026-01-12 09:30:12] INFO start\n" + (DATA / "vllm_serve.txt").read_text()
    assert read_text(text) == read_text((DATA / "vllm_serve.txt").read_text())


def test_keys_of_two_tools_are_an_error_that_names_both() -> None:
    merged: dict[str, Any] = {}
    for name in ("trtllm_latency.json", "aiperf_2026.json"):
        merged |= json.loads((DATA / name).read_text())
    with pytest.raises(InputError, match="has the keys of genai-perf or aiperf and trtllm-bench"):
        read_text(json.dumps(merged))


def test_no_two_json_formats_ask_for_the_same_keys() -> None:
    forms = [form for form in FORMATS if isinstance(form, JsonFormat) and not form.fallback]
    for one, other in itertools.permutations(forms, 2):
        told_apart = set(one.without) & set(other.keys)
        assert told_apart or not set(one.keys) <= set(other.keys), (one.tool, other.tool)


def test_standard_input_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stdin:
        buffer = io.BytesIO((DATA / "vllm_serve.json").read_bytes())

    monkeypatch.setattr(sys, "stdin", Stdin)
    assert read_results("-") == results("vllm_serve.json")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_files_of_powershell_are_read(tmp_path: Path, encoding: str) -> None:
    text = (DATA / "llama_bench.md").read_text().replace("\n", "\r\n")
    (tmp_path / "out.txt").write_bytes(text.encode(encoding))
    assert read_results(tmp_path / "out.txt") == results("llama_bench.md")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b" \n\t\n", "is empty"),
        (b"\x89PNG\r\n\x1a\n", r"is not text in UTF-8 \(byte 0\)"),
        (b"GGUF\x03\x00\x00\x00", "is a binary file"),
        ("Débit: 12".encode("latin-1"), r"is not text in UTF-8 \(byte 1\)"),
    ],
)
def test_bytes_that_are_no_text_are_told_so(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "result.json").write_bytes(data)
    with pytest.raises(InputError, match=message):
        read_results(tmp_path / "result.json")


def test_paths_that_are_no_files_are_told_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a directory, not a file"):
        read_results(tmp_path)
    with pytest.raises(InputError, match="no such file"):
        read_results(tmp_path / "absent.json")
    with pytest.raises(InputError, match="cannot be read"):
        read_results("a\0b")


def usable(runs: tuple[Result, ...]) -> bool:
    """A tuple of results whose every figure can be calculated with."""
    values = [
        value
        for run in runs
        for part in (run, run.setup)
        for field in fields(part)
        if isinstance(value := getattr(part, field.name), int | float)
    ]
    measured = all(run.measured for run in runs)
    return bool(runs) and measured and all(0 <= value < math.inf for value in values)


def answered(text: str) -> bool:
    """Whether a text gives usable results, or an error of a line's length."""
    try:
        return usable(read_text(text))
    except VperfError as error:
        return len(error.message) < 1000


ODD = st.one_of(
    st.none(), st.booleans(), st.text(max_size=5), st.builds(list), st.builds(dict),
    st.integers(-(10**400), 10**400), st.floats(), st.just(0), st.just("inf"),
    st.builds(lambda: {"avg": {}}),
)  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every key and index of a JSON value."""
    items: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))[:4]
    return [place for key, inner in items for place in ((*path, key), *places(inner, (*path, key)))]


PARSED = {
    name: [json.loads(line) for line in (DATA / name).read_text().splitlines()]
    if name.endswith(".jsonl") or "appended" in name
    else [json.loads((DATA / name).read_text())]
    for name in JSON_FILES
}  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_json_with_fields_gone_or_changed_gives_results_or_a_vperf_error(
    data: st.DataObject,
) -> None:
    values = copy.deepcopy(PARSED[data.draw(st.sampled_from(JSON_FILES))])
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.sampled_from(places(values)))
        holder: Any = values
        for key in place[:-1]:
            holder = holder[key]
        if data.draw(st.booleans()) and isinstance(holder, dict):
            del holder[place[-1]]
        else:
            holder[place[-1]] = data.draw(ODD)
        if not values or not places(values):
            break
    assert answered("\n".join(map(json.dumps, values)))


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_text_cut_or_changed_anywhere_gives_results_or_a_vperf_error(data: st.DataObject) -> None:
    text = (DATA / data.draw(st.sampled_from(FILES))).read_text()
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 40)))
    inserted = data.draw(st.one_of(st.text(max_size=8), st.sampled_from(["\n", "9" * 5000, "|"])))
    changed = text[:start] + inserted + text[end:]
    changed = (
        changed[: data.draw(st.integers(0, len(changed)))] if data.draw(st.booleans()) else changed
    )
    assert answered(changed)


@settings(max_examples=40, deadline=None)
@given(st.text())
def test_any_text_gives_a_vperf_error(text: str) -> None:
    with pytest.raises(VperfError):
        read_text(text)


WORDS = (
    "iB T/s) tokens generated in Output generated in to first token Processed prompts Decode"
    " #running-req Avg generation throughput [ Prompt: t/s eval rate elapsed_time: Step Batch Size"
)


@pytest.mark.parametrize(
    "part", ["9", "a ", " ", "| ", "x: ", "1 GiB | ", "{'a': ", "[x] ", "<td ", "eval time = 1 ms "]
)
def test_a_long_line_is_answered_whatever_it_repeats(part: str) -> None:
    """A pattern that looks back for every character would take minutes."""
    assert answered(f"{WORDS}\n{part * (30_000 // len(part))}.\n")


def test_documents_of_text_have_no_records() -> None:
    assert parse("plain text", "a file") == Document("a file", "plain text")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_csv_is_the_same_in_every_encoding_and_with_all_ends_of_lines(
    tmp_path: Path, end: str, encoding: str
) -> None:
    lines = ("model,input_len,output_len,batch_size,ttft_ms,tpot_ms", "m,1024,128,1,25,9")
    (tmp_path / "r.csv").write_bytes((end.join(lines) + end).encode(encoding))
    (run,) = read_results(tmp_path / "r.csv")
    assert [run.ttft_s, run.tpot_s] == pytest.approx([0.025, 0.009])


def test_one_batch_says_its_lengths_by_its_times_and_rates() -> None:
    """sgl-project/sglang#30147: 10.14 ms at 5,916 tok/s are 60 tokens; 62 ms at 1,123 are 70."""
    (run,) = read_text(
        "Prefill. latency: 0.01014 s, throughput:   5916.43 token/s\n"
        "Decode.  median latency: 0.00572 s, median throughput:    174.85 token/s\n"
        "Total. latency:  0.062 s, throughput:   1122.76 token/s\n"
    )
    assert (run.setup.batch_size, run.setup.input_len, run.setup.output_len) == (1, 60, 10)


def test_a_report_of_tensorrt_llm_without_its_details_says_lengths_by_its_rates() -> None:
    """NVIDIA/TensorRT-LLM#6294: 248.5 requests/s, 6,957 of 38,762 tok/s are of answers."""
    (run,) = read_text(
        "= PERFORMANCE OVERVIEW\n"
        "Request Throughput (req/sec):                     248.4751\n"
        "Total Output Throughput (tokens/sec):             6957.3030\n"
        "Total Token Throughput (tokens/sec):              38762.1169\n"
        "Average request latency (ms):                     53522.9014\n"
        "Number of Sequences:  30000\n"
    )
    assert (run.setup.requests, run.setup.batch_size) == (30000, 30000)
    assert run.setup.input_len == pytest.approx(128, rel=0.01)
    assert run.setup.output_len == pytest.approx(28, rel=0.01)


def test_another_tools_summary_under_the_same_title_is_read_by_its_labels() -> None:
    """NVIDIA/TensorRT-LLM#1938: times before each line, no rule below it."""
    (run,) = read_text(
        "2024/07/12 02:25:54 ============ Serving Benchmark Result ============\n"
        "2024/07/12 02:25:54 Number of total requests: 2425\n"
        "2024/07/12 02:25:54 Concurrency: 5\n"
        "2024/07/12 02:25:54 Request throughput (req/sec): 20.196\n"
        "2024/07/12 02:25:54 Prompt throughput (tokens/second) avg: 121.179\n"
        "2024/07/12 02:25:54 Generation throughput (tokens/second) avg: 80.786\n"
        "2024/07/12 02:25:54 End to End Latency (ms) avg: 246.920\n"
    )
    assert (run.setup.max_concurrency, run.requests_per_s) == (5, 20.196)
    assert run.output_tokens_per_s == 80.786
    assert run.latency_s == pytest.approx(0.24692)
    assert run.setup.input_len == pytest.approx(6, rel=0.01)
    assert run.setup.output_len == pytest.approx(4, rel=0.01)


def test_mlx_lms_m_is_a_number_of_tokens() -> None:
    """ml-explore/mlx-examples#1281."""
    (run,) = read_text(
        "mlx_lm.generate --model mlx-community/Qwen2.5-72B-Instruct-6bit --prompt x -m 1000\n"
        "Prompt: 34 tokens, 39.482 tokens-per-sec\n"
        "Generation: 642 tokens, 7.919 tokens-per-sec\n"
    )
    assert run.setup.model == "mlx-community/Qwen2.5-72B-Instruct-6bit"


def test_a_machines_column_names_cards_and_their_count() -> None:
    """ml-explore/mlx-lm#92."""
    first, second = read_text(
        "| Machine | Engine | Prompt Tokens | Prompt Processing Speed | Generated Tokens |"
        " Token Generation Speed |\n| --- | --- | --- | --- | --- | --- |\n"
        "| 2x3090 | vLLM | 680 | 794.85 | 1087 | 82.68 |\n"
        "| M3Max | MLX | 681 | 1160.636 | 939 | 68.016 |\n"
    )
    assert (first.setup.gpu, first.setup.gpus, second.setup.gpu) == ("3090", 2, "M3Max")
    assert (first.decode_tokens_per_s, second.prefill_tokens_per_s) == (82.68, 1160.636)


def test_a_servers_lines_while_it_reads_a_prompt_are_a_prefill() -> None:
    """ggml-org/llama.cpp#27327: the last line of a prompt is that of its most tokens."""
    line = ("2.45.710.324 I slot print_timing: id  3 | task 1586 | prompt processing, n_tokens ="
            "   {}, progress = 0.92, t =   {} s / {} tokens per second\n")  # fmt: skip
    (run,) = read_text(line.format(3074, 3.41, 900.96) + line.format(6658, 7.26, 917.58))
    assert (run.prefill_tokens_per_s, run.setup.input_len) == (917.58, 6658)


def test_patterns_of_tensors_count_the_cards_that_they_name() -> None:
    """ikawrakow/ik_llama.cpp#405: CUDA0 to CUDA3."""
    (run,) = read_text(
        './llama-server -m DeepSeek-V3-0324-Q2_K.gguf -ngl 99 -ot "blk.(0|1).ffn.=CUDA0"'
        ' -ot "blk.(2|3).ffn.=CUDA3" -ot "ffn.*=CPU"\n'
        "prompt eval time =   32736.15 ms /  3596 tokens (    9.10 ms per token,   109.85 tokens"
        " per second)\ngeneration eval time =   57112.32 ms /   454 runs   (  125.80 ms per token,"
        "     7.95 tokens per second)\n"
    )
    assert run.setup.gpus == 4


def test_bench_sh_prints_a_mean_for_each_prompt_and_not_what_drafts() -> None:
    """noonghunna/club-3090#741: 116 tok/s of 27B weights are more than a 3090 reads."""
    narrative, code = read_text(
        "=== summary [narrative] (n=5) ===\n"
        "  wall_TPS       mean=  89.04   std=  0.04   CV= 0.0%   min=89.01   max=89.10\n"
        "  decode_TPS     mean=  89.46   std=  0.04   CV= 0.0%   min=89.43   max=89.52\n"
        "  TTFT          mean=    53ms  std=    0ms  min=53ms  max=53ms\n"
        "  run-1      wall=  6.94s  ttft=    55ms  toks= 800  wall_TPS=115.34\n"
        "=== summary [code] (n=5) ===\n"
        "  decode_TPS     mean= 116.28   std=  0.04   CV= 0.0%   min=116.23   max=116.32\n"
    )
    assert (narrative.decode_tokens_per_s, code.decode_tokens_per_s) == (89.46, 116.28)
    assert (code.label, code.setup.output_len) == ("code", 800)
    assert code.doubtful == ("decode_tokens_per_s",)


def test_vllms_records_for_pytorchs_dashboard_are_the_run_they_are_of() -> None:
    """vllm-project/vllm vllm/benchmarks/lib/utils.py: a record a metric, the rest beside each."""

    def record(metric: str, values: list[float], **extra: object) -> dict[str, object]:
        args = {"model": "meta-llama/Llama-3.1-8B-Instruct", "tensor_parallel_size": 2,
                "input_len": 32, "output_len": 128, "batch_size": 8}  # fmt: skip
        return {
            "benchmark": {"name": "vLLM benchmark", "extra_info": {"args": args}},
            "model": {"name": args["model"]},
            "metric": {"name": metric, "benchmark_values": values, "extra_info": extra},
        }

    served = {"completed": 100, "total_input_tokens": 102400, "total_output_tokens": 12800,
              "request_throughput": 5.0, "output_throughput": 640.0,
              "max_concurrency": 16}  # fmt: skip
    both = [record("mean_ttft_ms", [80.0], **served), record("mean_tpot_ms", [12.0], **served)]
    (run,) = read_text(json.dumps(both))
    assert (run.ttft_s, run.tpot_s, run.output_tokens_per_s) == (0.08, 0.012, 640.0)
    assert (run.setup.max_concurrency, run.setup.tp, run.setup.input_len) == (16, 2, 1024)
    latency = record("latency", [0.98, 0.99], avg_latency=0.985, percentiles={"50": 0.985})
    (run,) = read_text(json.dumps([latency]))
    assert (run.latency_s, run.setup.batch_size, run.setup.output_len) == (0.985, 8, 128)


def test_a_container_and_a_manifest_start_an_engine_with_its_options() -> None:
    """vllm-project/vllm#22331 and docker compose: the image's arguments are the server's."""
    line = ("Avg prompt throughput: 0.0 tokens/s, Avg generation throughput: 52.3 tokens/s,"
            " Running: 1 reqs, Waiting: 0 reqs\n")  # fmt: skip
    (run,) = read_text(
        "docker run --gpus all \\\n  -e X=1 -p 8000:8000 \\\n  vllm/vllm-openai:v0.9.1 \\\n"
        "  --model openai/gpt-oss-20b --tensor-parallel-size 2\n" + line
    )
    setup = run.setup
    assert (setup.model, setup.tp, setup.engine_version) == ("openai/gpt-oss-20b", 2, "0.9.1")
    (run,) = read_text(
        "services:\n  vllm:\n    image: vllm/vllm-openai:v0.11.0\n    command:\n      - --model\n"
        '      - Qwen/Qwen3-32B-AWQ\n      - --tensor-parallel-size\n      - "2"\n' + line
    )
    assert (run.setup.model, run.setup.tp) == ("Qwen/Qwen3-32B-AWQ", 2)
    (run,) = read_text(
        'image: lmsysorg/sglang:latest\nargs: ["--model-path", "Qwen/Qwen3-8B", "--tp", "4"]\n'
        + line
    )
    assert (run.setup.model, run.setup.tp) == ("Qwen/Qwen3-8B", 4)


def test_sglangs_tp_counts_all_cards_of_which_groups_share_the_attention() -> None:
    (run,) = read_text(
        "python3 -m sglang.launch_server --model-path deepseek-ai/DeepSeek-R1 --tp 8 --dp 4"
        " --enable-dp-attention\n"
        "Decode batch. #running-req: 8, #token: 8000, token usage: 0.1, gen throughput (token/s):"
        " 200.0, #queue-req: 0\n"
    )
    assert (run.setup.tp, run.setup.dp) == (2, 4)


def test_a_server_that_stands_above_a_summary_is_its_engine() -> None:
    (run,) = read_text(
        "trtllm-serve nvidia/DeepSeek-R1-0528-FP4 --tp_size 8\n"
        "============ Serving Benchmark Result ============\n"
        "Successful requests:                     320\n"
        "Maximum request concurrency:             64\n"
        "Benchmark duration (s):                  100.0\n"
        "Total input tokens:                      327680\n"
        "Total generated tokens:                  327680\n"
        "Output token throughput (tok/s):         3276.8\n"
        "==================================================\n"
    )
    assert (run.setup.engine, run.setup.tp) == ("trtllm", 8)


def test_ollama_ps_names_the_model_and_what_lies_on_the_host() -> None:
    (run,) = read_text(
        "NAME           ID              SIZE      PROCESSOR          UNTIL\n"
        "qwen3:32b      030ee887880f    22 GB     48%/52% CPU/GPU    4 minutes from now\n"
        "eval count:           250 token(s)\neval duration:        60s\n"
        "eval rate:            4.17 tokens/s\n"
    )
    assert run.setup.model == "qwen3:32b"
    assert "48% of it lay on the host" in run.warnings[0]


def test_a_request_rate_is_what_was_offered_and_old_tables_of_genai_perf_are_read() -> None:
    """vllm-project/vllm#10879; triton-inference-server/perf_analyzer#437."""
    (run,) = read_text(
        "Request rate: 10.0 requests/second\nCompleted requests: 100/100 (100.00%)\n"
        "Total Input Tokens: 30691\nTotal Output Tokens: 50553\n"
        "Request throughput: 7.17 requests/s\nOutput Token throughput: 3624.51 tokens/s\n"
    )
    assert (run.setup.request_rate, run.requests_per_s) == (10.0, 7.17)
    (run,) = read_text(
        "                    LLM Metrics\n"
        "┃            Statistic ┃           avg ┃           min ┃\n"
        "│ Request latency (ns) │ 4,110,623,430 │ 2,272,022,940 │\n"
        "│     Num output token │           331 │           189 │\n"
        "│      Num input token │           556 │           550 │\n"
        "Output token throughput (per sec): 80.61\nRequest throughput (per sec): 0.24\n"
    )
    assert (run.setup.input_len, run.setup.output_len) == (556, 331)
    assert run.latency_s == pytest.approx(4.110623)
    assert run.setup.max_concurrency == 1  # 0.24 a second of 4.1 s each


def test_columns_named_by_cards_are_runs_of_them_and_a_first_column_names_rows() -> None:
    """poorpaul.dev: three machines; lmstudio-ai/lmstudio-bug-tracker#1649: three programs."""
    runs = read_text(
        "| Metric | RTX 5090 | GB10 |\n|---|---|---|\n| Throughput | 395 tok/s | 172 tok/s |\n"
        "| Avg TTFT | 20 ms | 27 ms |\n"
    )
    assert [run.setup.gpu for run in runs] == ["RTX 5090", "GB10"]
    first, _ = read_text(
        "Environment\tPrompt Processing Speed (Prompt t/s)\tGeneration Speed (Generation t/s)\n"
        "LM Studio ngl=48\t412.5\t18.2\nOllama default\t633.1\t48.7\n"
    )
    assert (first.label, first.decode_tokens_per_s) == ("LM Studio ngl=48", 18.2)


def test_a_windows_path_names_its_model() -> None:
    """intel/ipex-llm#12991."""
    (run,) = read_text(
        "llama-bench.exe -m C:\\LLM\\DeepSeek-R1-Distill-Qwen-1.5B-Q4_K_M.gguf -ngl 99\n"
        "| Model | Size | Params | Backend | ngl | Threads | Test | t/s |\n"
        "|---|---|---|---|---|---|---|---|\n"
        "| qwen2 1.5B Q4_K - Medium | 1.04 GiB | 1.78 B | SYCL | 99 | 8 | tg128 | 100.72 |\n"
    )
    assert run.setup.model == "C:/LLM/DeepSeek-R1-Distill-Qwen-1.5B-Q4_K_M.gguf"


def test_a_columns_head_says_how_many_were_served() -> None:
    """SemiAnalysisAI/InferenceX#870."""
    first, second = read_text(
        "| Metric | conc=8 | conc=16 |\n|---|---|---|\n| Mean TTFT (ms) | 330.6 | 356.0 |\n"
        "| Mean TPOT (ms) | 12.8 | 17.2 |\n"
    )
    assert (first.setup.max_concurrency, second.setup.max_concurrency) == (8, 16)

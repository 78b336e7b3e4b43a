"""Tables, summaries and JSON of people's own, read by their labels."""

from __future__ import annotations

import pytest

from tests.checks.importers.files import result, results
from vperf.checks.importers import results_of
from vperf.checks.importers.document import parse
from vperf.checks.result import Result
from vperf.errors import InputError


def read(text: str) -> tuple[Result, ...]:
    return results_of(parse(text, "a file"))


def test_columns_are_known_by_their_heads_and_the_command_above_is_read() -> None:
    alone, many = results("table.md")
    assert (alone.label, many.label) == ("1 users", "32 users")
    assert (many.ttft_s, many.tpot_s, many.output_tokens_per_s) == (0.0925, 0.00835, 3640.0)
    assert many.latency_s == pytest.approx(1.1529)
    setup = many.setup
    assert (setup.input_len, setup.output_len, setup.requests) == (128, 128, 256)
    assert (setup.model, setup.quantization, setup.max_batch) == (
        "meta-llama/Llama-3.1-8B-Instruct", "fp8", 128,
    )  # fmt: skip


@pytest.mark.parametrize(
    "head",
    [
        "| ISL | TTFT | TPOT |",  # times without a unit
        "| TTFT (ms) | TPOT (ms) |",  # neither lengths nor a load
        "| Users | Price ($) |",
        "| Users | TTFT (ms) | TTFT (s) |",
    ],
)
def test_a_table_that_does_not_say_what_it_is_of_is_none(head: str) -> None:
    row = "| 8 | 20 | 30 |"[: 2 + 5 * head.count("|")]
    with pytest.raises(InputError):
        read(f"{head}\n|---|---|---|\n{row}\n")


@pytest.mark.parametrize(
    "text",
    [
        "| Concurrency | TTFT | TPOT |\n|---|---|---|\n"
        "| 1 | 40 ms | 8.1 ms |\n| 8 | 0.08 s | 9.1 ms |",
        "Concurrency   TTFT (ms)   TPOT (ms)\n1             40          8.1\n"
        "8             80          9.1",
        "concurrency\tttft_ms\ttpot_ms\n1\t40\t8.1\n8\t80\t9.1",
        "concurrency;ttft_ms;tpot_ms\n1;40,0;8,1\n8;80,0;9,1",
        ",concurrency,ttft_ms,tpot_ms\n0,1,40,8.1\n1,8,80,9.1",
        "<table><tr><th>Conc.</th><th>TTFT (ms)</th><th>TPOT (ms)</th></tr>\n"
        "<tr><td>1</td><td>40</td><td>8.1</td></tr>\n<tr><td>8</td><td>80</td><td>9.1</td></tr></table>",
        '[{"users": 1, "avg_ttft_ms": 40, "tpot": {"mean_ms": 8.1}},'
        ' {"users": 8, "avg_ttft_ms": 80, "tpot": {"mean_ms": 9.1}}]',
        "Concurrency: 1\nMean TTFT: 40 ms\nMean TPOT (ms): 8.1\n\n"
        "Concurrency: 8\nMean TTFT: 80 ms\nMean TPOT (ms): 9.1\n",
        "users=1 ttft=40ms tpot=8.1ms\nusers=8 ttft=80ms tpot=9.1ms",
        "| Metric | a | b |\n|---|---|---|\n| Users | 1 | 8 |\n| TTFT (ms) | 40 | 80 |\n"
        "| TPOT (ms) | 8.1 | 9.1 |",
    ],
)  # fmt: skip
def test_two_runs_are_the_same_in_every_layout(text: str) -> None:
    alone, many = read(text)
    assert (alone.setup.max_concurrency, many.setup.max_concurrency) == (1, 8)
    assert [alone.ttft_s, many.ttft_s, many.tpot_s] == pytest.approx([0.04, 0.08, 0.0091])


def test_a_column_a_run_is_labelled_by_its_head() -> None:
    one, two = results("own_columns.md")
    assert (one.label, two.label) == ("TP1", "TP2")
    assert [one.tpot_s, two.tpot_s] == pytest.approx([0.0182, 0.0122])
    assert (one.setup.requests, one.setup.input_len) == (200, 1024)


def test_a_head_of_two_lines_is_joined() -> None:
    alone, many = results("evalscope_sweep.txt")
    assert (alone.ttft_s, alone.tpot_s, alone.latency_s) == (0.1, 0.016, 8.1)
    assert many.output_tokens_per_s == 410.1
    assert many.setup.output_len == pytest.approx(410.1 / 0.8)


def test_a_table_of_prompt_and_decode_tests_has_their_lengths() -> None:
    run = result("own_llama.md")
    assert (run.prefill_tokens_per_s, run.decode_tokens_per_s) == (3912.1, 118.2)
    assert (run.setup.input_len, run.setup.output_len) == (512, 128)
    assert (run.setup.model, run.setup.gpu, run.setup.quantization) == (
        "Qwen3-8B", "RTX 3090", "q4_k_m",
    )  # fmt: skip


def test_rates_of_all_users_are_output_and_of_one_user_are_tpot() -> None:
    coding, _ = results("aiperf_columns.md")
    assert (coding.output_tokens_per_s, coding.decode_tokens_per_s) == (117.59, None)
    (run,) = read("Users: 8\nThroughput: 50 tokens/s/user\n")
    assert run.tpot_s == 0.02
    (run,) = read("Model: Qwen3-8B\nTokens per second: 71.5\n")
    assert run.decode_tokens_per_s == 71.5


def test_a_rate_that_may_count_prompts_proves_nothing_above_the_limit() -> None:
    (run,) = read("Users: 8\nThroughput: 5,000 tokens/s\n")
    assert (run.output_tokens_per_s, run.doubtful) == (5000.0, ("output_tokens_per_s",))
    (run,) = read("Users: 8\nOutput throughput: 500 tokens/s\n")
    assert run.doubtful == ()


def test_a_summary_of_lines_carries_model_and_card_to_its_later_runs() -> None:
    first, second = read(
        "Model: Qwen/Qwen3-8B\nGPU: 2x RTX 3090\nBatch size: 1\nTPOT: 9 ms\n"
        "Batch size: 8\nTPOT: 11 ms\n"
    )
    assert (first.setup.gpus, second.setup.gpus) == (2, 2)
    assert (second.setup.model, second.setup.gpu) == ("Qwen/Qwen3-8B", "RTX 3090")
    assert (second.setup.batch_size, second.tpot_s) == (8, 0.011)


def test_a_heading_completes_the_labels_below_it() -> None:
    (run,) = read("Time to First Token (seconds):\n  Min: 0.1 | Max: 0.5 | Avg: 0.21\nUsers: 4\n")
    assert run.ttft_s == 0.21
    with pytest.raises(InputError):
        read("Prefill:\n  latency: 40\n")


def test_objects_within_objects_are_runs_with_what_stands_beside_them() -> None:
    alone, many = results("own.json")
    assert (alone.setup.model, many.setup.model) == ("Qwen/Qwen3-8B",) * 2
    assert [alone.tpot_s, many.tpot_s] == pytest.approx([0.0081, 0.0091])
    by_name = read('{"a": {"users": 1, "tpot_ms": 8}, "b": {"users": 8, "tpot_ms": 9}}')
    assert [run.setup.max_concurrency for run in by_name] == [1, 8]


@pytest.mark.parametrize(
    "text",
    [
        '{"ttft": 0.2, "concurrency": 8}',  # no unit
        '{"latency_ms": "fast", "concurrency": 8}',
        "latency: 5 ms\n",  # of what?
        "The TTFT of this model is: low\n",
        "TPOT  9.1 ms  108% of expected\nUsers: 8\n",  # an answer of vperf
    ],
)
def test_what_says_too_little_is_no_result(text: str) -> None:
    with pytest.raises(InputError):
        read(text)


def test_a_figure_without_a_unit_is_left_out_and_said() -> None:
    (run,) = read('{"ttft": 0.2, "tpot_ms": 9, "concurrency": 8}')
    assert run.ttft_s is None
    assert "left out, as no unit is said: ttft" in run.notes


@pytest.mark.parametrize(
    ("figure", "said"),
    [
        ('"ttft_ms": "25 s"', "as its two units differ: ttft_ms 25 s"),
        ('"TTFT (ms)": "0.025 s"', "as its two units differ: TTFT (ms) 0.025 s"),
        ('"ttft_ms": "25 m"', "as its unit is not known: ttft_ms 25 m"),
        ('"ttft_ms": -25', "as that is no measurement: ttft_ms -25"),
        ('"ttft_ms": "inf"', "as that is no measurement: ttft_ms inf"),
    ],
)
def test_a_figure_that_contradicts_itself_or_cannot_be_is_left_out_and_said(
    figure: str, said: str
) -> None:
    (run,) = read(f'{{{figure}, "tpot_ms": 9, "concurrency": 8}}')
    assert run.ttft_s is None
    assert f"left out, {said}" in run.notes


def test_what_is_left_out_is_said_of_each() -> None:
    (run,) = read('{"ttft": 0.2, "latency_ms": "3 s", "tpot_ms": 9, "concurrency": 8}')
    assert (
        "left out, as no unit is said: ttft; as its two units differ: latency_ms 3 s" in run.notes
    )


def test_thousands_are_1000_of_a_rate_and_1024_of_a_length() -> None:
    (run,) = read(
        '{"input_len": "1k", "output_len": "2K", "output throughput": "1.5k tok/s", "users": 8}'
    )
    assert (run.setup.input_len, run.setup.output_len) == (1024, 2048)
    assert run.output_tokens_per_s == 1500


HEAD = "model;input_len;output_len;batch_size;tokens_per_second;ttft_ms\n"


@pytest.mark.parametrize(
    ("rows", "input_len", "speed", "ttft_s"),
    [
        ("m;1024;128;1;110,5;25,3", 1024, 110.5, 0.0253),
        ("m;1.024;128;1;1.110,5;25,3", 1024, 1110.5, 0.0253),  # points part thousands, by the rest
        ("m;1024;128;1;110.5;25.3", 1024, 110.5, 0.0253),
    ],
)
def test_decimal_commas_of_a_csv_make_points_thousands(
    rows: str, input_len: float, speed: float, ttft_s: float
) -> None:
    for text in (HEAD + rows + "\n", "sep=;\n" + HEAD + rows + "\n"):
        (run,) = read(text)
        assert run.setup.input_len == input_len
        assert run.decode_tokens_per_s == speed
        assert run.ttft_s == pytest.approx(ttft_s)


def test_a_column_that_stands_twice_must_hold_the_same() -> None:
    head, row = "model,input_len,batch_size,ttft_ms,ttft_ms\n", "m,1024,1,25,{}\n"
    (run,) = read(head + row.format(25))
    assert run.ttft_s == pytest.approx(0.025)
    with pytest.raises(InputError, match="line 2, column ttft_ms: stands twice, with two values"):
        read(head + row.format(99))


def test_sections_of_statistics_and_counts_of_all_are_read() -> None:
    run = result("own_sections.txt")
    assert [run.ttft_s, run.tpot_s, run.latency_s] == pytest.approx([0.05646, 0.01053, 5.37205])
    assert (run.output_tokens_per_s, run.setup.requests) == (3624.51, 100)
    assert run.setup.output_len == 505.53
    assert dict(run.percentiles)["p99_itl_s"] == pytest.approx(0.02072)


def test_a_speed_beside_tpot_is_of_the_whole_run() -> None:
    alone, many = results("own_wide.md")
    assert (alone.output_tokens_per_s, alone.decode_tokens_per_s) == (24.69, None)
    assert (many.setup.max_concurrency, many.setup.requests) == (16, 64)


def test_a_log_line_of_names_and_numbers_is_read() -> None:
    run = result("trtllm_benchmark_2024.txt")
    assert (run.decode_tokens_per_s, run.setup.batch_size) == (50.379, 1)
    assert (run.setup.input_len, run.setup.output_len) == (710, 190)


@pytest.mark.parametrize(
    "text",
    [
        "\u26a1 Speed: 45.2 tokens/sec\n\u23f1 Time to first token: 320 ms\n",
        "Speed: 45.2 tok/s | TTFT: 0.32s | Model: qwen3-8b",
        'INFO {"model": "qwen3-8b", "ttft_ms": 320, "tokens_per_second": 45.2}',
    ],
)
def test_signs_and_words_before_a_label_do_not_matter(text: str) -> None:
    (run,) = read(text)
    assert [run.decode_tokens_per_s, run.ttft_s] == pytest.approx([45.2, 0.32])


def test_a_scripts_own_csv_that_shares_a_few_keys_with_a_tools_is_read_by_its_labels() -> None:
    (run,) = read(
        "test_name,model,backend,ttft_ms,decode_tps,completion_tokens,prompt_tokens\n"
        "short,Qwen/Qwen3-8B,vllm,61.5,88.5,256,40\n"
    )
    assert run.setup.model == "Qwen/Qwen3-8B"
    assert run.decode_tokens_per_s == 88.5
    assert run.ttft_s == pytest.approx(0.0615)

"""What logs, terminals and web pages put around a result does not change it."""

from __future__ import annotations

import json

import pytest

from tests.checks.importers.files import DATA
from vperf.checks.importers import results_of
from vperf.checks.importers.cleaned import as_printed
from vperf.checks.importers.document import parse
from vperf.checks.result import Result

SERVE = (DATA / "vllm_serve.txt").read_text()
BENCH = (DATA / "llama_bench.md").read_text()


def read(text: str) -> tuple[Result, ...]:
    return results_of(parse(text, "a file"))


@pytest.mark.parametrize(
    "prefix",
    [
        "bench-1  | ", "[pod/bench-7f/main] ", "2026-10-01T10:00:00.123456789Z ",
        "Oct 01 10:00:00 host bench[1234]: ", "2026-10-01 10:00:00,123 - bench - INFO - ",
        "(APIServer pid=1234) ", "\x1b[36m(run pid=1234, ip=10.0.0.1)\x1b[0m ", "0: ", "> > ",
        "INFO 10-01 10:00:00 [bench.py:12] ", "[10/01/2026-10:00:00] [TRT-LLM] [I] ", "[rank0]: ",
        "[pod/a/b] 2026-10-01T10:00:00Z INFO: ", "        ", "# ", "- ",
    ],
)  # fmt: skip
@pytest.mark.parametrize("text", [SERVE, BENCH], ids=["serve", "bench"])
def test_a_prefix_of_every_line_is_taken_off(prefix: str, text: str) -> None:
    lined = "".join(f"{prefix}{line}\n" for line in text.splitlines())
    assert [run.measured for run in read(lined)] == [run.measured for run in read(text)]


@pytest.mark.parametrize(
    "changed",
    [
        SERVE.replace("\n", "\r\n"), SERVE.replace("  ", "\u00a0\u00a0"),
        "\r 0%| | 0/200\r100%|##| 200/200\n" + SERVE, f"<pre><code>{SERVE}</code></pre>",
        f"<details><summary>log</summary>\n\n```\n{SERVE}```\n</details>",
        "\n".join(" ".join(line.split()) for line in SERVE.splitlines()),
        SERVE.replace(":  ", ":\t"),
    ],
    ids=["crlf", "nbsp", "progress", "html", "details", "spaces", "tabs"],
)  # fmt: skip
def test_spaces_ends_of_lines_and_tags_do_not_matter(changed: str) -> None:
    (expected,), (run,) = read(SERVE), read(changed)
    assert run.measured == expected.measured


@pytest.mark.parametrize("sign", ["Â±", "┬▒", "?", "+/-", "\ufffd", "±"])
def test_the_sign_of_a_deviation_may_be_lost(sign: str) -> None:
    assert read(BENCH.replace("±", sign)) == read(BENCH)


@pytest.mark.parametrize(
    "changed",
    [
        BENCH.replace("|", "│"),
        "\n".join(
            "\t".join(cell.strip() for cell in line.strip("| ").split("|"))
            for line in BENCH.splitlines() if "---" not in line
        ),
        "\n".join(line.strip("| ").replace("|", "  ") for line in BENCH.splitlines()),
    ],
    ids=["box", "tabs", "spaces"],
)  # fmt: skip
def test_the_pipes_of_a_table_may_be_lost(changed: str) -> None:
    assert [run.measured for run in read(changed)] == [run.measured for run in read(BENCH)]


@pytest.mark.parametrize(
    "text",
    ["Qwen3-8B | Q4_K_M | 3912\nQwen3-8B | Q8_0 | 3012\nQwen3-8B | F16 | 2012", "12: 3\n13: 4\n"],
)
def test_what_may_be_text_is_left(text: str) -> None:
    assert as_printed(text) == text


@pytest.mark.parametrize(
    "wrapped",
    [
        "result: {}", "{}", "print -> {}",
        "INFO done {}\n",
    ],
)  # fmt: skip
def test_a_dict_of_python_is_read_as_the_object(wrapped: str) -> None:
    values = {
        "model_id": "Qwen/Qwen3-8B", "completed": 40, "duration": 10.6, "max_concurrency": 4,
        "total_input_tokens": 40960, "total_output_tokens": 5120, "request_throughput": 3.77,
        "output_throughput": 483.0, "mean_ttft_ms": 42.0, "mean_tpot_ms": 7.9, "p99_ttft_ms": None,
    }  # fmt: skip
    (run,) = read(wrapped.format(values).replace("None", "nan"))
    assert run.tpot_s == pytest.approx(0.0079)


def test_json_after_words_or_with_a_comma_too_many_is_read() -> None:
    text = (DATA / "vllm_serve.json").read_text().strip()
    (expected,) = read(text)
    assert read(f"Result: {text}") == (expected,)
    assert read(text.removesuffix("}") + ",\n}") == (expected,)


def test_a_bar_of_progress_without_an_end_does_not_hide_the_title() -> None:
    bar = "100%|#####| 200/200 [01:00<00:00,  3.33it/s]"
    assert read(bar + SERVE)[0].measured == read(SERVE)[0].measured


def test_a_log_of_objects_and_a_notebook_hold_the_text() -> None:
    (expected,) = read(SERVE)
    lines = [json.dumps({"log": f"{line}\n", "stream": "stdout"}) for line in SERVE.splitlines()]
    assert read("\n".join(lines))[0].measured == expected.measured
    cell = {"cell_type": "code", "source": ["!vllm bench serve"], "outputs": [
        {"output_type": "stream", "text": SERVE.splitlines(keepends=True)}]}  # fmt: skip
    assert read(json.dumps({"cells": [cell], "nbformat": 4}))[0].measured == expected.measured


def test_a_stream_of_events_ends_with_the_timings() -> None:
    answer = {"id": "a", "timings": {"predicted_n": 100, "predicted_per_second": 50.0}}
    chunks = [f'data: {{"choices": [], "n": {n}}}' for n in range(300)]
    (run,) = read("\n\n".join([*chunks, f"data: {json.dumps(answer)}", "data: [DONE]"]))
    assert run.decode_tokens_per_s == 50.0


def test_of_a_log_of_megabytes_the_ends_are_cleaned() -> None:
    line = "2026-10-01T10:00:00Z server handled a request of some words in a while\n"
    lined = "".join(f"bench-1  | {each}\n" for each in SERVE.splitlines())
    assert read(line * 130_000 + lined)[0].measured == read(SERVE)[0].measured

"""`vperf plan` from its options to the screen, files and exit codes."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run, one_line
from vperf.explore.plan import Plan, plan

ASKED = (
    "plan", "-m", "Qwen/Qwen3-32B", "--input-len", 4000, "--output-len", 500, "--request-rate", 5,
    "--ttft", "500ms", "--tpot", "20ms", "--max-gpus", 16,
)  # fmt: skip
CARDS = ("-g", "h100-sxm,l40s", "-q", "auto,fp8")


@pytest.fixture(autouse=True)
def one_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """What several tests ask for is searched once."""
    monkeypatch.setattr("vperf.explore.plan.plan", _searched)


_found: dict[str, Plan] = {}


def _searched(*names: Any, tick: Any, **options: Any) -> Plan:
    key = repr((names, options))
    if key not in _found:
        _found[key] = plan(*names, tick=tick, **options)
    return _found[key]


def test_the_answer_is_the_first_line_and_its_commands_the_last(vperf: Run) -> None:
    ran = vperf(*ASKED, *CARDS)
    assert ran.code == 0
    lines = ran.out.splitlines()
    assert re.match(r"6 x h100-sxm-80gb suffice: TTFT \d+ of 500 ms, TPOT ", lines[0])
    assert len(lines[0]) <= 80
    assert max(map(len, lines)) <= 80
    assert sum(line.startswith("> h100-sxm-80gb") for line in lines) == 2  # both tables
    for part in ("Why the others lose", "miss the TPOT of 20.0 ms", "the checkpoint holds bf16",
                 "Launch each of 3 replicas:", "--quantization fp8"):  # fmt: skip
        assert part in ran.out
    rate = re.search(r"--request-rate ([\d.]+)", ran.out)
    assert rate
    assert float(rate[1]) == pytest.approx(5 / 3, rel=1e-5)


def test_estimate_prints_the_figures_of_the_winner(vperf: Run) -> None:
    best = json.loads(vperf(*ASKED, *CARDS, "--json").out)["winner"]
    ran = vperf("estimate", "-m", best["model"], "-g", best["gpu"], "-q", best["quantization"],
                "--tp", best["tp"], "--request-rate", repr(best["request_rate"]),
                "--input-len", 4000, "--output-len", 500, "--json")  # fmt: skip
    alone = json.loads(ran.out)
    assert alone["expected"] == best["expected"]
    assert alone["limit"] == best["limit"]
    ran_s = (alone["simulated"][name]["mean_s"] for name in ("ttft", "tpot"))
    assert (best["ttft_s"], best["tpot_s"]) == tuple(ran_s)


def test_targets_nobody_meets_are_a_no(vperf: Run) -> None:
    ran = vperf(*ASKED, "-g", "h100-sxm", "--tpot", "2ms")
    assert ran.code == 1
    first = " ".join(ran.out.splitlines()[:3])
    assert first.startswith("No deployment of up to 16 GPUs meets the targets: TPOT binds, the")
    assert "(target 2.00 ms)" in first
    assert "Launch" not in ran.out
    none = vperf("plan", "-m", "deepseek-v3", "-g", "l40s", "--ttft", "1s", "--max-gpus", 2)
    assert none.code == 1
    assert re.match(r"None of \d+ candidates of up to 2 GPUs fits in memory\.", none.out)


def test_prices_make_it_the_cheapest(vperf: Run) -> None:
    ran = vperf(*ASKED, *CARDS, "--price", "h100-sxm=2.50", "--price", "l40s=0.9")
    assert ", $15.00/hour." in " ".join(ran.out.split()[:30])


@pytest.mark.parametrize(
    ("engine", "serve", "measure"),
    [
        ("vllm", "vllm serve", "vllm bench serve"),
        ("sglang", "python -m sglang.launch_server", "python -m sglang.bench_serving"),
        ("trtllm", "trtllm-serve", "python -m tensorrt_llm.serve.scripts.benchmark_serving"),
    ],
)
def test_each_engine_has_its_commands(vperf: Run, engine: str, serve: str, measure: str) -> None:
    ran = vperf(*ASKED, "-g", "h100-sxm", "--max-gpus", 32, "--tp", 4, "--engine", engine)
    launched = ran.out.split("Launch")[1].replace(" \\\n", "")
    for line in launched.splitlines():
        shlex.split(line)
    assert f"\n{serve} " in launched
    assert f"\n{measure} " in launched
    assert "8192" in launched  # tokens of a prefill step, as the estimate has it
    assert re.search(r"memory.(utilization|fraction)|mem-fraction", launched)


def test_pools_are_launched_apart(vperf: Run) -> None:
    ran = vperf(*ASKED, "-g", "h100-sxm", "-q", "fp8", "--request-rate", 20, "--tpot", "14ms",
                "--max-gpus", 32, "--tp", "1,2,4", "--disaggregate")  # fmt: skip
    assert ran.code == 0
    for part in ("for prefill", "for decode", "The pools", "Transfer", "kv-transfer-config",
                 "50 GB/s (400 Gb/s)"):  # fmt: skip
        assert part in ran.out
    assert "saturated:" not in ran.out


def test_the_front_is_a_plot_in_a_file(vperf: Run, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    file = tmp_path / "front.svg"
    assert vperf(*ASKED, *CARDS, "-o", file).out == ""
    assert "<svg" in file.read_text("utf-8")


def test_json_csv_markdown_and_a_plot_on_the_terminal(vperf: Run) -> None:
    data = json.loads(vperf(*ASKED, *CARDS, "--json").out)
    assert data["schema"] == "vperf/plan/1"
    assert data["asked"] == data["met"] + sum(data["lost"].values())
    assert data["winner"] in data["front"]
    rows = vperf(*ASKED, *CARDS, "--csv").out.splitlines()
    assert len(rows) == 1 + len(data["front"])
    assert sum(row.endswith(",true") for row in rows) == 1
    assert "| Best per GPU | GPUs |" in vperf(*ASKED, *CARDS, "--markdown").out
    assert "decode for one user (tok/s)" in vperf(*ASKED, *CARDS, "--plot").out


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (("--ttft", "soon"), "not a time"),
        (("--max-gpus", "0"), "max-gpus"),
        (("--request-rate", "0"), "request-rate"),
        (("--price", "h101=2"), "unknown GPU 'h101'"),
        (("--tp", "3"), "do not divide"),
        (("--tp", "two"), "not a whole number"),
        (("--by", "cost"), "no price"),
        (("--batch-size", "4"), "--batch-size"),
    ],
)
def test_bad_input_is_one_line(vperf: Run, wrong: tuple[str, ...], says: str) -> None:
    assert says in one_line(vperf(*ASKED, "-g", "h100-sxm", *wrong))


def test_no_target_has_an_example(vperf: Run) -> None:
    said = one_line(vperf("plan", "-m", "qwen3-32b", "-g", "h100-sxm"))
    assert "--ttft 500ms --tpot 20ms" in said


@pytest.mark.parametrize(
    "given",
    [
        ("-g", "m3-max", "--max-gpus", 4),
        ("-g", "rtx-pro-6000-workstation", "-q", "auto,fp8", "--kv-cache-dtype", "auto,fp8",
         "--engine", "vllm,sglang", "--price", "rtx-pro-6000-workstation=1",
         "--max-concurrency", 8),
    ],
)  # fmt: skip
def test_long_names_and_many_columns_keep_80_columns(vperf: Run, given: tuple[object, ...]) -> None:
    ran = vperf("plan", "-m", "qwen3-8b", "--tpot", "50ms", "--tp", 1, *given)
    assert max(map(len, ran.out.splitlines())) <= 80
    said = " ".join(ran.out.split())
    assert re.search(r"not shown at 80 columns: .*tok/s a user.* \(--csv has all figures\)", said)

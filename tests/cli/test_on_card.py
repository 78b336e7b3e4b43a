"""benchmarks/on_card.sh without a card: every step but the figures, against the fake backend."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import on_card
import pytest
from on_card import Done

from tests.cli.conftest import Run
from tests.measure.fake import H100, FakeBackend
from vperf.measure import torch_backend
from vperf.sources import local_gpu

SCRIPT = Path(on_card.__file__).with_name("on_card.sh")


def program(arguments: Sequence[str]) -> dict[str, Any]:
    """What a program of on_card_programs.py answers: times near those an H100 is expected to take,
    but for one that no card can have."""
    name, large = arguments[0], "llama" in " ".join(arguments)
    if name == "seed":
        rates = {"1024": 400e12, "4096": 690e12, "8192": 699e12, "16384": 720e12}
        return {"matmul_flop_per_s": rates, "copy_bytes_per_s": {"1": 2.69e12, "3": 2.7e12}}
    if name == "step":
        decode = 7.1e-3 if large else 4.0e-3
        rows = [{"batch": 1, "graph_s": decode}, {"batch": 32, "graph_s": 1e-4}]
        return {"input_len": 1024, "decode": rows, "prefill_graph_s": 26e-3 if large else 14e-3}
    if name == "kernels":
        held = {"name": "w", "amount": 1e9, "unit": "TB/s", "seconds": 1e-3, "limit_s": 3e-4,
                "expected_s": 4e-4}  # fmt: skip
        copied = {"name": "held in the L2", "amount": 1e9, "unit": "TB/s", "seconds": 2e-4}
        return {"rows": [held, copied, {"name": "moe", "seconds": None, "why": "no kernel"}]}
    return {"input_len": 1024, "output_len": 64, "ttft_s": 40e-3, "tpot_s": 25e-3}


@pytest.fixture
def inside(
    vperf: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> on_card.Runner:
    """Runs each part in this process: vperf against the fake, programs as above."""
    monkeypatch.setattr(torch_backend, "open_backend", lambda device, seconds: FakeBackend())
    monkeypatch.setattr(local_gpu, "read_cards", lambda *_, **__: (H100,))

    def run(command: Sequence[str], seconds: float) -> Done:
        assert command[0] == sys.executable
        capsys.readouterr()  # what the script itself has said so far
        if command[1] == "-m":
            ran = vperf(*command[3:])
            return Done(ran.code, 0.1, ran.out, ran.err)
        return Done(0, 0.1, "a line of the framework\n" + json.dumps(program(command[2:])), "")

    return run


def row(text: str, name: str) -> list[str]:
    """The cells of the table row that begins with `name`."""
    (line,) = [line for line in text.splitlines() if line.startswith(f"| {name} |")]
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def test_all_parts_run_and_the_summary_compares_them(
    inside: on_card.Runner, tmp_path: Path
) -> None:
    assert on_card.measure(tmp_path, run=inside) == 0
    parts = json.loads((tmp_path / "parts.json").read_text("utf-8"))["parts"]
    assert {part["exit"] for part in parts.values()} == {0}
    assert "gpu.toml" in " ".join(parts["estimate qwen3-4b x1"]["command"])
    text = (tmp_path / "summary.md").read_text("utf-8")
    assert text.startswith("# NVIDIA H100 80GB HBM3, driver 570.124.06, ")
    assert row(text, "bf16 matmul")[2:] == ["-0.2%", "yes"]
    assert row(text, "copy")[:2] == ["2,700.0 GB/s", "2,700.0 GB/s"]
    near = row(text, "qwen3-4b: decode step in a graph, batch 1")
    assert near[5:] == ["8%: yes", "yes"]
    beaten = row(text, "qwen3-4b: decode step in a graph, batch 32")
    assert beaten[5:] == ["8%: **no**", "**no**"]
    assert row(text, "qwen3-4b: prefill of 1,024 in a graph")[5] == "12%: yes"
    assert row(text, "llama-3.1-8b: decode op by op (100%)")[4] == "100%"
    assert row(text, "w")[4] == "yes"
    eager = text.partition("## check generate qwen3-4b")[2].partition("\n## ")[0]
    assert "**GOOD: 40.0 tok/s" in eager
    assert "transformers: no CUDA graphs" in eager


def test_a_part_that_fails_or_is_late_leaves_the_others_and_is_said(
    inside: on_card.Runner, tmp_path: Path
) -> None:
    def run(command: Sequence[str], seconds: float) -> Done:
        if "generate" in command:
            return Done(None, seconds, "", "")
        if "kernels" in command:
            return Done(1, 1.0, "", "Traceback\nRuntimeError: no kernel | image")
        return inside(command, seconds)

    assert on_card.measure(tmp_path, run=run) == 3
    text = (tmp_path / "summary.md").read_text("utf-8")
    assert row(text, "generate llama-3.1-8b")[1:] == ["late", ""]
    assert "RuntimeError: no kernel" in " ".join(row(text, "kernels"))
    assert "decode step in a graph, batch 1" in text


def test_what_a_program_had_measured_before_its_time_was_up_counts(
    inside: on_card.Runner, tmp_path: Path
) -> None:
    decode = {"input_len": 1024, "decode": [{"batch": 1, "graph_s": 4.0e-3}]}

    def run(command: Sequence[str], seconds: float) -> Done:
        if "step" in command:
            return Done(None, seconds, f'a line\n{json.dumps(decode)}\n{{"input_len": 10', "")
        return inside(command, seconds)

    assert on_card.measure(tmp_path, run=run) == 2
    text = (tmp_path / "summary.md").read_text("utf-8")
    assert row(text, "qwen3-4b: decode step in a graph, batch 1")[5] == "8%: yes"
    assert "qwen3-4b: prefill of" not in text
    assert "check step" not in text
    assert row(text, "step qwen3-4b")[1] == "late"


def test_the_quick_card_stands_in_where_the_whole_was_not_measured(
    inside: on_card.Runner, tmp_path: Path
) -> None:
    def run(command: Sequence[str], seconds: float) -> Done:
        if command[-1].endswith("gpu.toml") and "measure" in command:
            return Done(None, seconds, "", "")
        return inside(command, seconds)

    assert on_card.measure(tmp_path, run=run) == 1
    assert (tmp_path / "gpu.toml").read_bytes() == (tmp_path / "quick.toml").read_bytes()
    text = (tmp_path / "summary.md").read_text("utf-8")
    assert "qwen3-4b: decode step in a graph, batch 1" in text


def test_a_tpot_below_zero_is_no_measurement(tmp_path: Path) -> None:
    found = {**program(("generate",)), "tpot_s": -1e-6}
    done = {"generate m": Done(0, 1.0, json.dumps(found), "")}
    (part,) = on_card.grading("m", "qwen3-8b", done, tmp_path, dry=True)
    assert "--tpot" not in part.command
    assert part.command[part.command.index("--ttft") + 1] == "40 ms"


def test_a_process_is_ended_with_all_that_it_started_when_its_time_is_up() -> None:
    began = time.monotonic()
    done = on_card.run_process(("bash", "-c", "echo begun; sleep 60 & sleep 60"), 0.3)
    assert (done.code, done.out) == (None, "begun\n")
    assert time.monotonic() - began < 30


def test_the_script_finds_vperf_and_begins_nothing_without_time(tmp_path: Path) -> None:
    command = ("bash", str(SCRIPT), str(tmp_path / "results"), "--dry", "--seconds", "0")
    ran = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "PYTHON": sys.executable},
        check=False,
    )  # fmt: skip
    assert ran.returncode == 1, ran.stderr
    text = (tmp_path / "results/summary.md").read_text("utf-8")
    assert "A dry run on the CPU" in text
    assert text.count("no time was left") == len(list(on_card.parts(tmp_path, dry=True)))


def test_the_budgets_of_the_parts_that_matter_most_fit_into_the_whole(tmp_path: Path) -> None:
    assert on_card.SECONDS <= 470
    first = [part.seconds for part in on_card.parts(tmp_path, dry=False)][:7]
    assert sum(first) < on_card.SECONDS


def test_measure_asks_for_no_pydantic(tmp_path: Path) -> None:
    code = f"""
import sys
class Without:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("pydantic", "pydantic_core", "torch"):
            raise ImportError(name)
sys.meta_path.insert(0, Without())
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from tests.measure.fake import H100, FakeBackend
from vperf.measure import torch_backend
from vperf.sources import local_gpu
torch_backend.open_backend = lambda device, seconds: FakeBackend()
local_gpu.read_cards = lambda *_, **__: (H100,)
from vperf.cli.main import main
sys.exit(main(["measure", "--quick", "-o", "q.toml", "--json"])
         or main(["measure", "-m", "qwen3-8b", "--layer", "-o", "ops.json"]))
"""
    ran = subprocess.run(
        (sys.executable, "-c", code), capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "q.toml").is_file()
    assert json.loads((tmp_path / "ops.json").read_text("utf-8"))["layer"]


@pytest.mark.slow
def test_the_programs_run_on_cpu_tensors_and_answer_what_the_summary_reads(
    capfd: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("torch")
    import on_card_programs  # noqa: PLC0415

    model = ("--model", "Qwen/Qwen3-0.6B")
    for name, keys in (("seed", ()), ("kernels", ()), ("step", model)):
        assert on_card_programs.main((name, *keys, "--small", "--device", "cpu")) == 0
        found = Done(0, 0.0, capfd.readouterr().out, "").answer
        told = program((name, *keys))
        assert found.keys() >= told.keys()
        if name == "step":
            assert all(each["graph_s"] > 0 for each in (*found["decode"],))

"""`vperf measure` from end to end against a fake backend: files, screens, errors."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Ran, Run, one_line
from tests.measure.fake import H100, TRUE, FakeBackend
from tests.measure.test_card import NOVEL
from vperf.errors import InputError
from vperf.measure import card, torch_backend
from vperf.measure.backend import Device
from vperf.sources import local_gpu
from vperf.sources.local_gpu import LocalCard

Here = Callable[..., None]
CPU = Device("cpu", "Some CPU", 1, 16e9, "PyTorch 2.9.1", sm_count=8)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Here:
    """`here(backend, card, ...)`: this machine has that device and those cards."""
    monkeypatch.chdir(tmp_path)

    def use(backend: FakeBackend, *cards: LocalCard) -> None:
        monkeypatch.setattr(torch_backend, "open_backend", lambda device, seconds: backend)
        monkeypatch.setattr(local_gpu, "read_cards", lambda *_, **__: cards)

    return use


def test_a_card_gives_a_screen_and_a_file_that_gpu_takes(vperf: Run, here: Here) -> None:
    here(FakeBackend(), H100)
    ran = vperf("measure", "-o", "mine.toml")
    assert (ran.code, ran.err) == (0, "")
    lines = ran.out.splitlines()
    assert lines[0].startswith("h100-sxm-80gb: ")
    assert lines[0].endswith(" TFLOPS in bf16 (70%), 2,672 GB/s (80% of datasheet).")
    assert lines[-1].endswith("--gpu mine.toml")
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in ran.out
    for words in ("t_gemm", "4.10 µs", "3.40 µs", "Under load", "38 C, SM 1980 MHz", "570.124.06"):
        assert words in ran.out
    answer = vperf("estimate", "-m", "qwen3-8b", "-g", "mine.toml", "--json")
    assert json.loads(answer.out)["gpu"]["constants"] == "measured"
    assert "H100" in vperf("gpus", "mine.toml").out


def test_json_is_all_there_is_on_stdout(vperf: Run, here: Here) -> None:
    here(FakeBackend(), H100)
    ran = vperf("measure", "--quick", "--json")
    data = json.loads(ran.out)
    assert data["schema"] == "vperf/measure/1"
    assert data["file"] == "nvidia-h100-80gb-hbm3-measured.toml"
    assert Path(data["file"]).is_file()
    assert data["constants"]["decode_block_s"] == pytest.approx(TRUE.decode_block_s, rel=0.01)
    assert data["flop_per_s"]["bf16"] == pytest.approx(TRUE.flop_per_s["bf16"], rel=0.01)
    assert data["matmul"][0]["datasheet_flop_per_s"] == 989.4e12
    assert data["state"]["before"]["temperature_c"] == 38.0


def test_a_file_that_is_there_is_not_replaced_unless_named(vperf: Run, here: Here) -> None:
    here(FakeBackend(), H100)
    Path("nvidia-h100-80gb-hbm3-measured.toml").write_text("old", encoding="utf-8")
    assert "is there already" in one_line(vperf("measure"))
    assert Path("nvidia-h100-80gb-hbm3-measured.toml").read_text(encoding="utf-8") == "old"
    assert vperf("measure", "-o", "nvidia-h100-80gb-hbm3-measured.toml").code == 0
    assert "H100" in Path("nvidia-h100-80gb-hbm3-measured.toml").read_text(encoding="utf-8")


def test_of_two_that_measure_one_card_neither_loses_its_file(
    vperf: Run, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other has written its file while this one measured."""
    here(FakeBackend(), H100)
    name = Path("nvidia-h100-80gb-hbm3-measured.toml")
    measure_card = card.measure_card

    def meanwhile(*given: Any, **more: Any) -> Any:
        name.write_text("the other's", encoding="utf-8")
        return measure_card(*given, **more)

    monkeypatch.setattr(card, "measure_card", meanwhile)
    data = json.loads(vperf("measure", "--quick", "--json").out)
    assert data["file"] == "nvidia-h100-80gb-hbm3-measured-2.toml"
    assert "H100" in Path(data["file"]).read_text(encoding="utf-8")
    assert name.read_text(encoding="utf-8") == "the other's"


@pytest.mark.parametrize("more", [(), ("--model", "qwen3-0.6b")])
def test_a_file_that_could_not_be_written_is_said_before_anything_is_measured(
    vperf: Run, here: Here, more: tuple[str, ...]
) -> None:
    here(FakeBackend(), H100)
    file = "nosuch/x.json" if more else "nosuch/x.toml"
    with_none = vperf("measure", *more, "-o", file)
    assert one_line(with_none) == f"--output: cannot write {file}: nosuch is no folder"


def test_a_card_without_a_datasheet_says_what_its_file_lacks(vperf: Run, here: Here) -> None:
    here(FakeBackend(device=NOVEL))
    ran = vperf("measure", "--only", "matmul,bandwidth", "-o", "new.toml")
    assert ran.code == 0
    assert "new.toml is not complete" in ran.out
    assert "Use it" not in ran.out
    assert "memory.bandwidth" in one_line(vperf("estimate", "-m", "qwen3-8b", "-g", "new.toml"))
    ran = vperf(
        "measure", "-o", "new.toml", "--peak", "bf16=1 PFLOPS", "--memory-bandwidth", "3 TB/s"
    )
    assert "TFLOPS in bf16 (70%), " in ran.out
    assert vperf("estimate", "-m", "qwen3-8b", "-g", "new.toml").code == 0


def test_without_a_gpu_the_cpu_is_measured_and_that_is_said(vperf: Run, here: Here) -> None:
    here(FakeBackend(device=CPU))
    ran = vperf("measure", "--quick", "-o", "cpu.toml")
    assert ran.err == "no GPU was found: measuring the CPU\n"
    assert "the CPU was measured, with smaller sizes" in ran.out
    assert vperf("measure", "--quick", "-o", "cpu.toml", "--device", "cpu").err == ""


def test_a_gpu_that_pytorch_cannot_use_is_not_passed_over(vperf: Run, here: Here) -> None:
    here(FakeBackend(device=CPU), H100)
    line = one_line(vperf("measure"))
    assert "cannot use the NVIDIA H100 80GB HBM3 that nvidia-smi lists" in line
    assert "--device cpu" in line


def test_without_pytorch_one_line_says_how_to_get_it(
    vperf: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    assert '-m pip install "vperf[measure]"' in one_line(vperf("measure"))


def test_the_ops_of_a_model_beside_limit_and_expected(vperf: Run, here: Here) -> None:
    here(FakeBackend(cannot=("moe",)), H100)
    ran = vperf("measure", "-m", "qwen3-30b-a3b", "--layer")
    assert (ran.code, ran.err) == (0, "")
    lines = ran.out.splitlines()
    assert lines[0].startswith("qwen3-30b-a3b on h100-sxm-80gb: prefill ops")
    assert max(map(len, lines)) <= 80
    assert "Decode with 1,024 tokens in the cache, op by op" in lines
    assert any(line.startswith("One whole layer (48 of 48 are such)") for line in lines)
    assert "- experts (prefill), experts (decode): no kernel for moe" in lines
    assert "this machine's GPU as nvidia-smi reports it" in ran.out


def test_the_ops_of_a_model_as_json_and_in_a_file(vperf: Run, here: Here) -> None:
    here(FakeBackend(), H100)
    arguments = ("measure", "-m", "qwen3-8b", "-g", "h100", "--phase", "decode", "--layer")
    data = json.loads(vperf(*arguments, "--json").out)
    (phase,) = data["phases"]
    assert phase["name"] == "decode"
    assert phase["context_tokens"] == 1024
    assert phase["covered"] == 1.0
    assert {op["not_measured"] for op in phase["ops"]} == {None}
    assert data["layer"]["of"] == 36
    assert vperf(*arguments, "-o", "ops.json") == Ran(0, "", "")
    assert json.loads(Path("ops.json").read_text(encoding="utf-8")) == data


def test_the_second_visible_card_is_the_one_that_is_watched(
    vperf: Run, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    capped = replace(H100, power_cap_w=350.0)
    here(FakeBackend(), H100, H100, capped)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,2")
    ran = vperf("measure", "--only", "bandwidth", "--device", "cuda:1", "-o", "x.toml")
    assert "power cap 350 W" in ran.out
    ran = vperf("measure", "--only", "bandwidth", "--device", "cuda", "-o", "x.toml")
    assert "power cap" not in ran.out


def test_a_model_on_a_device_without_a_datasheet_asks_for_one(vperf: Run, here: Here) -> None:
    here(FakeBackend(device=NOVEL))
    assert "--gpu FILE.toml" in one_line(vperf("measure", "-m", "qwen3-8b"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--only", "matmul,speed"), "'speed' is not one of matmul, bandwidth"),
        (("--only", " "), "--only is empty"),
        (("-o", "card.json"), "must end in .toml"),
        (("--peak", "bf16"), "is not like bf16="),
        (("--peak", "bf16=fast"), "'fast' is not a rate"),
        (("--peak", "bf17=1 TFLOPS"), "'bf17' is not one of"),
        (("--memory-bandwidth", "much"), "'much' is not a bandwidth"),
        (("--gpu", "h100"), "--gpu means nothing without --model"),
        (("--layer",), "--layer means nothing without --model"),
        (("-m", "qwen3-8b", "--only", "moe"), "--only cannot be combined with --model"),
        (("-m", "qwen3-8b", "--phase", "idle"), "'idle' is not one of prefill"),
        (("-m", "qwen3-8b", "-o", "ops.toml"), "must end in .json"),
        (("-m", "qwen3-8b", "--engine", "fast"), "unknown engine"),
        (
            (
                "-m",
                "no/such-model-here",
            ),
            "no/such-model-here",
        ),
    ],
)
def test_wrong_usage_is_one_line_before_anything_is_measured(
    vperf: Run, here: Here, arguments: tuple[str, ...], words: str
) -> None:
    backend = FakeBackend()
    here(backend, H100)
    ran = vperf("measure", *arguments)
    assert words in one_line(ran, ran.code)
    assert ran.code in (2, 3)
    assert backend.asked == []


def test_an_error_of_the_backend_is_one_line(
    vperf: Run, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(device: str | None, seconds: float) -> FakeBackend:
        raise InputError("finds no cuda device", source="--device")

    here(FakeBackend(), H100)
    monkeypatch.setattr(torch_backend, "open_backend", refuse)
    assert one_line(vperf("measure", "--device", "cuda")) == "--device: finds no cuda device"

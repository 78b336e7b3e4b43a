"""A card measured from end to end against the fake, and the GPU file that comes of it."""

from __future__ import annotations

import datetime
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from tests.measure.fake import H100, TRUE, FakeBackend, watching
from vperf import api
from vperf.errors import InputError
from vperf.measure.backend import Device
from vperf.measure.card import NOT_GIVEN, CardMeasurement, Datasheet, measure_card
from vperf.measure.gpu_file import gpu_file
from vperf.sources.gpus import load_gpu

TODAY = datetime.date(2026, 11, 23)
NOVEL = Device(
    kind="cuda", name="NVIDIA Test 1", count=1, memory_bytes=48 * 2.0**30,
    framework="PyTorch 2.9.1", sm_count=100, l2_bytes=64 * 2.0**20, compute_capability="13.0",
)  # fmt: skip


def measured(backend: FakeBackend | None = None, **options: object) -> CardMeasurement:
    return measure_card(
        backend or FakeBackend(), watch=watching(H100), clock=iter(range(100)).__next__,
        **options,  # type: ignore[arg-type]
    )  # fmt: skip


def test_the_file_of_a_known_card_loads_and_its_estimate_is_of_measured_constants(
    tmp_path: Path,
) -> None:
    found = measured()
    made = gpu_file(found, today=TODAY)
    path = tmp_path / "mine.toml"
    path.write_text(made.text, encoding="utf-8")
    assert made.missing == ()
    gpu = load_gpu(str(path))
    catalogue = load_gpu("h100-sxm-80gb")
    assert gpu.peak_flop_per_s == catalogue.peak_flop_per_s
    assert gpu.memory_bandwidth == catalogue.memory_bandwidth
    assert gpu.max_clock_hz == catalogue.max_clock_hz
    assert gpu.achieved is not None
    assert gpu.achieved.flop_per_s["bf16"] == pytest.approx(TRUE.flop_per_s["bf16"], rel=0.01)
    assert gpu.achieved.memory_bandwidth == pytest.approx(TRUE.memory_bandwidth, rel=0.01)
    assert gpu.achieved.decode_block_s == pytest.approx(TRUE.decode_block_s, rel=0.01)
    answer = api.estimate("qwen3-8b", str(path))
    assert answer.gpu.constants == "measured"
    assert any("vperf measure" in line for line in answer.assumptions)


def test_the_file_says_when_and_with_what_and_what_it_kept_of_the_catalogue() -> None:
    table = tomllib.loads(gpu_file(measured(), today=TODAY).text)["achieved"]
    assert table["checked"] == TODAY
    assert "driver 570.124.06, PyTorch 2.9.1" in table["source"]
    assert "not measured here: moe_block_latency" in table["source"]
    assert "aiconfigurator" in table["source"]
    assert "gemm_latency" not in table["source"]


def test_only_measures_what_it_names_and_keeps_the_rest() -> None:
    backend = FakeBackend()
    found = measured(backend, only=("latency",))
    assert found.matmuls == ()
    assert found.copy is None
    assert set(found.values) == {"gemm_latency_s", "quantize_latency_s"}
    catalogue = load_gpu("h100-sxm-80gb").achieved
    assert catalogue is not None
    assert found.achieved.flop_per_s == catalogue.flop_per_s
    assert {op.kind for op in backend.asked} == {"matmul"}


def test_a_format_the_card_lacks_is_not_tried() -> None:
    assert {rate.pipe for rate in measured().matmuls} == {"bf16", "fp16", "fp8", "int8"}


def test_progress_counts_every_step_once_and_ends() -> None:
    steps: list[tuple[int, int, str]] = []
    measured(progress=lambda *step: steps.append(step))
    assert [done for done, _, _ in steps] == list(range(len(steps)))
    assert steps[-1][0] == steps[-1][1]


def test_short_memory_means_smaller_sizes_and_says_so() -> None:
    found = measured(FakeBackend(free_bytes=1.0e8))
    assert found.matmuls[0].size == 4096
    assert any("16384" in n or "8192 x 8192 left out: out of memory" in n for n in found.notes)
    assert found.stream is not None
    assert found.stream.size_bytes < 1.0e8
    assert any("weight stream of" in n for n in found.notes)


def test_what_cannot_run_is_said_and_its_constant_left_to_the_catalogue() -> None:
    found = measured(FakeBackend(cannot=("moe", "fp8")))
    assert "moe_latency_s" not in found.values
    assert "moe_latency_s: not measured: no kernel for moe" in found.notes
    assert "fp8 matmul: not measured: no kernel for matmul" in found.notes
    known = load_gpu("h100").achieved
    assert known is not None
    assert found.achieved.moe_latency_s == known.moe_latency_s


def test_several_cards_have_their_all_reduce_measured_by_group_size() -> None:
    device = replace(FakeBackend().device, count=4)
    found = measured(FakeBackend(device=device))
    assert set(found.all_reduce) == {2, 4}
    assert found.all_reduce[4].latency_s == pytest.approx(8e-6, rel=0.01)
    assert found.all_reduce[4].bytes_per_s == pytest.approx(200e9, rel=0.01)
    table = tomllib.loads(gpu_file(found, today=TODAY).text)["achieved"]["all_reduce"]
    assert table["2"]["bandwidth"] == "200 GB/s"
    assert "large_bandwidth" not in table["2"]
    assert "large_bandwidth" in table["8"]


def test_a_card_the_catalogue_lacks_needs_its_peaks_and_the_file_says_so(tmp_path: Path) -> None:
    found = measured_novel()
    made = gpu_file(found, today=TODAY)
    assert made.missing == ("memory.bandwidth", "peak")
    assert made.text.startswith("# Not usable yet.")
    path = tmp_path / "novel.toml"
    path.write_text(made.text, encoding="utf-8")
    with pytest.raises(InputError, match="required, but missing"):
        load_gpu(str(path))


def test_with_its_datasheet_given_it_is_a_gpu_file(tmp_path: Path) -> None:
    made = gpu_file(measured_novel(Datasheet({"bf16": 1e15}, 3e12)), today=TODAY)
    assert made.missing == ()
    path = tmp_path / "novel.toml"
    path.write_text(made.text, encoding="utf-8")
    gpu = load_gpu(str(path))
    assert gpu.sm_count == 100
    assert gpu.peak_flop_per_s == {"bf16": 1e15}
    assert any("not in the catalogue" in line for line in gpu.assumptions)
    assert api.estimate("qwen3-8b", gpu).gpu.constants == "measured"


def measured_novel(given: Datasheet = NOT_GIVEN) -> CardMeasurement:
    return measure_card(FakeBackend(device=NOVEL), watch=watching(), given=given)


def test_a_datasheet_that_is_passed_is_warned_of() -> None:
    assert measured().warnings == ()
    found = measured_novel(Datasheet({"bf16": 100e12}, 1e12))
    assert [line.split(" measured, ")[1] for line in found.warnings] == [
        "above the datasheet's 100.0 TFLOPS: the wrong card, clock or datasheet",
        "above the datasheet's 1,000 GB/s: the wrong card, clock or datasheet",
    ]


@pytest.mark.parametrize("name", ['a "quoted" card', "back\\slash", "tab\there", "Ünï", "\x7f"])
def test_any_name_survives_the_file(name: str) -> None:
    found = measure_card(
        FakeBackend(device=replace(NOVEL, name=name)), watch=watching(), only=("bandwidth",)
    )
    assert tomllib.loads(gpu_file(found, today=TODAY).text)["name"] == name


def test_a_raised_power_cap_and_memory_clock_reach_the_file() -> None:
    card = replace(H100, memory_clock_hz=2800e6, power_cap_w=500.0)
    found = measure_card(FakeBackend(), watch=watching(card), only=("bandwidth",))
    table = tomllib.loads(gpu_file(found, today=TODAY).text)
    assert table["tdp"] == "500 W"
    assert table["memory"]["bandwidth"] == "3584 GB/s"
    assert any("power cap 500 W, catalogue 700 W" in line for line in table["assumptions"])

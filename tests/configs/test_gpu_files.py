"""The GPU files against arithmetic: a figure either follows from the rest of its file, or says why.

Rates: SMs x operations per SM and clock x clock. Bandwidth: bus width x data rate per pin.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from typing import Any

import pytest

from tests.every import every
from vperf.errors import InputError
from vperf.hardware.gpu import PIPES
from vperf.sources.catalog import data_dir, is_plain_id
from vperf.sources.gpu_keys import GPU_FILE
from vperf.sources.gpus import load_gpu
from vperf.sources.schema import check_file
from vperf.sources.spellings import exact_key, loose_key

TOLERANCE = 0.03
PATHS = sorted((data_dir() / "gpus").glob("*.toml"))
FILES = {
    path.stem: check_file(tomllib.loads(path.read_text(encoding="utf-8")), GPU_FILE, path.name)
    for path in PATHS
}

every_gpu = every((gpu_id, (gpu_id, file)) for gpu_id, file in FILES.items())


def off(recomputed: float, published: float) -> float:
    return abs(recomputed / published - 1)


def test_the_catalog_holds_over_150_gpus_of_seven_vendors() -> None:
    assert len(FILES) >= 150
    vendors = {"NVIDIA", "AMD", "Intel", "Apple", "Google", "AWS", "Huawei"}
    assert {file.vendor for file in FILES.values()} == vendors


@every_gpu
def test_every_peak_follows_from_units_and_clock_or_is_explained(gpu_id: str, file: Any) -> None:
    compute = file.compute
    assert compute.sms is not None
    assert compute.rated_clock is not None
    for pipe, published in file.peak.items():
        clock = compute.rated_clock
        if pipe == "fp32" and compute.fp32_clock is not None:
            clock = compute.fp32_clock
        recomputed = compute.sms * compute.ops_per_clock[pipe] * clock
        if pipe in file.explain:
            continue
        assert off(recomputed, published) <= TOLERANCE, (gpu_id, pipe, recomputed / 1e12)


@every_gpu
def test_bandwidth_is_bus_width_times_data_rate_or_is_explained(gpu_id: str, file: Any) -> None:
    memory = file.memory
    assert memory.bus_bits is not None
    assert memory.gbit_per_pin is not None
    recomputed = memory.bus_bits * memory.gbit_per_pin * 1e9 / 8
    assert "bandwidth" in file.explain or off(recomputed, memory.bandwidth) <= TOLERANCE, gpu_id


@every_gpu
def test_an_explanation_is_only_given_where_one_is_needed(gpu_id: str, file: Any) -> None:
    compute = file.compute
    assert compute.sms is not None
    assert compute.rated_clock is not None
    for figure in file.explain:
        clock = compute.fp32_clock if figure == "fp32" else None
        recomputed = compute.sms * compute.ops_per_clock[figure] * (clock or compute.rated_clock)
        assert off(recomputed, file.peak[figure]) > TOLERANCE, (gpu_id, figure)


@every_gpu
def test_pcie_bandwidth_is_that_of_its_generation_and_lanes(gpu_id: str, file: Any) -> None:
    if file.pcie is None:
        return
    per_lane = {3: 0.985e9, 4: 1.969e9, 5: 3.938e9, 6: 7.563e9}
    assert file.pcie.generation is not None
    assert file.pcie.lanes is not None
    expected = per_lane[file.pcie.generation] * file.pcie.lanes
    assert off(expected, file.pcie.bandwidth) <= TOLERANCE, gpu_id


@every_gpu
def test_every_file_is_complete_and_says_where_its_figures_come_from(
    gpu_id: str, file: Any
) -> None:
    assert is_plain_id(gpu_id)
    assert file.source
    assert file.checked is not None
    assert "confidence" in file.model_fields_set
    assert file.compute.max_clock is not None
    assert file.compute.max_clock_source
    gpu = load_gpu(gpu_id)
    said = (*file.assumptions, *filter(None, [file.memory.assumption]))
    assert gpu.assumptions == said, "a bundled file leaves nothing to assume"
    assert gpu.boost >= 1.0
    assert set(file.compute.ops_per_clock) == set(file.peak) <= set(PIPES)


@every_gpu
def test_visible_memory_is_close_to_the_nominal_size(gpu_id: str, file: Any) -> None:
    nominal = float(file.memory.nominal.removesuffix(" GB"))
    low = 0.70 if "unified" in file.memory.type else 0.88
    assert low * nominal * 2**30 <= file.memory.size <= 1.001 * nominal * 2**30, gpu_id


@every_gpu
def test_nothing_measured_is_faster_than_the_limit(gpu_id: str, file: Any) -> None:
    gpu = load_gpu(gpu_id)
    achieved = gpu.achieved
    if achieved is None:
        return
    assert achieved.source
    assert achieved.checked
    assert achieved.memory_bandwidth is None or achieved.memory_bandwidth <= gpu.memory_bandwidth
    for rate, value in achieved.flop_per_s.items():
        pipe = {"fp8_block": "fp8"}.get(rate, rate)
        assert 0.2 < value / (gpu.peak_flop_per_s[pipe] * gpu.boost) <= 1.0, (gpu_id, rate)


@every_gpu
def test_narrower_formats_are_never_slower(gpu_id: str, file: Any) -> None:
    peak = file.peak
    for wide, narrow in (("fp32", "tf32"), ("tf32", "bf16"), ("bf16", "fp8"), ("fp8", "fp4")):
        if wide in peak and narrow in peak and not gpu_id.startswith("gaudi3"):
            assert peak[narrow] >= 0.99 * peak[wide], (gpu_id, wide, narrow)
    if "fp16_acc16" in peak and "fp16" in peak and gpu_id != "p40":
        assert peak["fp16_acc16"] >= peak["fp16"]


@every_gpu
def test_an_nvidia_card_without_a_fact_its_time_hangs_on_is_refused(gpu_id: str, file: Any) -> None:
    text = next(path for path in PATHS if path.stem == gpu_id).read_text(encoding="utf-8")
    facts = [("", "tensor_cores"), ("memory", "class"), ("link", "adds"), ("link", "domain")]
    for table, key in facts:
        data = tomllib.loads(text)
        if data.get(table, {} if table else data).pop(key, None) is None:
            continue
        if file.vendor == "NVIDIA":
            with pytest.raises(InputError, match="required of NVIDIA cards") as caught:
                check_file(data, GPU_FILE, "mine.toml")
            assert caught.value.field == f"{table}.{key}".removeprefix(".")
        else:
            check_file(data, GPU_FILE, "mine.toml")


def test_a_switch_adds_where_nvlink_4_or_5_goes_through_one() -> None:
    # Bridges (h100-nvl, h100-pcie, h800-pcie, h200-nvl) have no switch; that of A100 cannot add.
    assert {gpu_id for gpu_id, file in FILES.items() if file.link and file.link.adds} == {
        "h100-sxm-80gb", "h100-sxm-96gb", "h800-sxm-80gb", "h20-96gb", "h20-141gb",
        "h200-sxm-141gb", "gh200-96gb", "gh200-144gb", "b200-sxm-180gb", "b300-sxm", "gb200",
        "gb300",
    }  # fmt: skip


def test_bridges_join_two_cards_or_four_servers_eight_racks_more() -> None:
    domains = {
        gpu_id: file.link.domain
        for gpu_id, file in FILES.items()
        if file.link and file.vendor in ("NVIDIA", "AMD", "Intel")
    }
    assert {gpu_id: domains[gpu_id] for gpu_id in domains if (domains[gpu_id] or 8) > 8} == {
        "gh200-96gb": 32, "gh200-144gb": 32, "gb200": 72, "gb300": 72,
    }  # fmt: skip
    assert domains["h200-nvl-141gb"] == 4
    assert [domains[each] for each in ("h100-nvl-94gb", "h100-pcie-80gb", "rtx-3090")] == [2] * 3
    assert [domains[each] for each in ("h100-sxm-80gb", "a100-sxm-80gb", "b300-sxm")] == [8] * 3


def test_no_spelling_belongs_to_two_cards() -> None:
    owners: dict[bytes, set[str]] = {}
    for gpu_id, file in FILES.items():
        for spelling in (gpu_id, file.name, *file.aliases):
            owners.setdefault(loose_key(spelling), set()).add(gpu_id)
        for spelling in file.default_for:
            owners.setdefault(b"default:" + loose_key(spelling), set()).add(gpu_id)
    assert {key: ids for key, ids in owners.items() if len(ids) > 1} == {}


def test_no_spelling_is_written_twice_in_a_file() -> None:
    for gpu_id, file in FILES.items():
        written = Counter(exact_key(text) for text in (file.name, *file.aliases))
        assert max(written.values()) == 1, gpu_id


def test_no_vague_spelling_is_another_cards_exact_one() -> None:
    exact = {
        loose_key(text): gpu_id
        for gpu_id, file in FILES.items()
        for text in (gpu_id, file.name, *file.aliases)
    }
    for gpu_id, file in FILES.items():
        for vague in file.default_for:
            assert exact.get(loose_key(vague), gpu_id) == gpu_id, vague


def test_the_alternatives_of_a_default_exist() -> None:
    for gpu_id, file in FILES.items():
        assert set(file.others) <= set(FILES) - {gpu_id}, gpu_id
        assert file.default_for or not file.others, gpu_id


def test_spellings_stand_before_the_vendor_line_where_the_resolver_looks() -> None:
    for path in PATHS:
        head, found, rest = path.read_text(encoding="utf-8").partition("\nvendor")
        assert found, path
        assert head.startswith("name = "), path
        assert "\naliases" not in rest, path
        assert "\ndefault_for" not in rest, path


def test_geforce_halves_32_bit_accumulation_and_workstation_cards_do_not() -> None:
    assert FILES["rtx-4090"].peak["bf16"] * 2 == pytest.approx(
        FILES["rtx-4090"].peak["fp16_acc16"], rel=0.01
    )
    assert FILES["rtx-5090"].peak["mxfp8"] == pytest.approx(
        2 * FILES["rtx-5090"].peak["fp8"], rel=0.01
    )
    workstation = FILES["rtx-pro-6000-workstation"].peak
    assert workstation["bf16"] == workstation["fp16_acc16"]


@pytest.mark.parametrize(
    ("gpu_id", "bf16_tflops", "bandwidth_gb_s"),
    [
        ("h100-sxm-80gb", 989.4, 3350),
        ("h200-sxm-141gb", 989.4, 4800),
        ("b200-sxm-180gb", 2250, 7700),
        ("a100-sxm-80gb", 312, 2039),
        ("rtx-4090", 165.2, 1008),
        ("rtx-5090", 209.5, 1792),
        ("rtx-pro-6000-workstation", 503.8, 1792),
        ("rtx-pro-6000-server", 467.8, 1597),
        ("mi300x", 1307.4, 5300),
        ("l40s", 362, 864),
    ],
)
def test_well_known_cards_have_their_well_known_dense_figures(
    gpu_id: str, bf16_tflops: float, bandwidth_gb_s: float
) -> None:
    gpu = load_gpu(gpu_id)
    assert gpu.peak_flop_per_s["bf16"] == pytest.approx(bf16_tflops * 1e12, rel=0.002)
    assert gpu.memory_bandwidth == pytest.approx(bandwidth_gb_s * 1e9)

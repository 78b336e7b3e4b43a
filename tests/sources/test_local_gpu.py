"""`--gpu local`: what the drivers' tools print, and the card that is made of it.

The outputs have the shape of real ones: nvidia-smi 570 on an RTX 5090, an H100 and a laptop,
rocm-smi of ROCm 6 on an RX 7900 XT, an MI250 and an MI300X, system_profiler of macOS 15 on an
M4 Max.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from vperf import api
from vperf.errors import InputError, UnknownNameError
from vperf.hardware.gpu import Gpu
from vperf.sources import local_gpu
from vperf.sources.gpus import load_gpu, load_local_gpu
from vperf.sources.local_gpu import Runner, read_cards

RTX_5090 = (
    "NVIDIA GeForce RTX 5090, 570.124.06, 32607 MiB, 2 MiB, 14001 MHz, 3090 MHz, 405 MHz, 180 MHz,"
    " 575.00 W, 575.00 W, 14.32 W, 33, 0 %, 0x0000000000000001, 5, 16, 1, 16\n"
)
CAPPED = (
    "NVIDIA GeForce RTX 5090, 570.124.06, 32607 MiB, 18211 MiB, 15001 MHz, 3240 MHz, 15001 MHz,"
    " 2610 MHz, 450.00 W, 575.00 W, 449.12 W, 71, 99 %, 0x0000000000000024, 5, 16, 4, 8\n"
)
T4 = (
    "Tesla T4, 550.54.15, 15360 MiB, 0 MiB, 5001 MHz, 1590 MHz, 405 MHz, 300 MHz, 70.00 W,"
    " 70.00 W, 9.01 W, 41, 0 %, 0x0000000000000001, 3, 16, 1, 16\n"
)
SPARK = (
    "NVIDIA GB10, 580.95.05, [N/A], [N/A], [N/A], 3003 MHz, [N/A], 208 MHz, [N/A], [N/A], 4.21 W,"
    " 36, 0 %, [Unknown Error], [N/A], [N/A], 1, 1\n"
)
RX_7900_XT = {
    "card0": {
        "GPU use (%)": "3",
        "Temperature (Sensor edge) (C)": "46.0",
        "Temperature (Sensor junction) (C)": "52.0",
        "Max Graphics Package Power (W)": "265.0",
        "Average Graphics Package Power (W)": "17.0",
        "VRAM Total Memory (B)": "21458059264",
        "VRAM Total Used Memory (B)": "27856896",
        "Card Series": "Radeon RX 7900 XT",
        "Card Model": "0x744c",
        "Card Vendor": "Advanced Micro Devices, Inc. [AMD/ATI]",
        "GFX Version": "gfx1100",
    },
    "system": {"Driver version": "6.12.12"},
}
MI250 = {
    "card0": {
        "Device Name": "AMD INSTINCT MI250 (MCM) OAM AC MBA",
        "Current Socket Graphics Package Power (W)": "102.0",
        "VRAM Total Memory (B)": "68702699520",
        "Card Series": "AMD INSTINCT MI250 (MCM) OAM AC MBA",
        "Card Model": "0x740c",
        "GFX Version": "gfx9010",
    }
}
OLD_ROCM = {
    "card0": {
        "VRAM Total Memory (B)": "34342961152",
        "Card series": "Arcturus GL-XL [AMD Instinct MI100]",
        "Card model": "0x0c34",
        "Card vendor": "Advanced Micro Devices Inc. [AMD/ATI]",
    }
}
M4_MAX = {
    "SPDisplaysDataType": [
        {
            "_name": "kHW_AppleM4MaxItem",
            "spdisplays_mtlgpufamilysupport": "spdisplays_metal3",
            "spdisplays_ndrvs": [{"_name": "Color LCD"}],
            "spdisplays_vendor": "sppci_vendor_Apple",
            "sppci_bus": "spdisplays_builtin",
            "sppci_cores": "32",
            "sppci_device_type": "spdisplays_gpu",
            "sppci_model": "Apple M4 Max",
        }
    ]
}


def printing(**outputs: str) -> Runner:
    """A machine where these programs print this; nvidia_smi stands for nvidia-smi."""

    def run(command: Sequence[str]) -> str | None:
        if "--query-compute-apps=pid" in command:
            return "4711\n4712\n" if "nvidia_smi" in outputs else None
        return outputs.get(command[0].replace("-", "_"))

    return run


def local(platform: str = "linux", **outputs: str) -> Gpu:
    return local_gpu.local_gpu(printing(**outputs), platform=platform)


def said(gpu: Gpu) -> tuple[str, ...]:
    """The assumptions that the catalogue's card does not have."""
    return tuple(line for line in gpu.assumptions if line not in load_gpu(gpu.id).assumptions)


def test_a_card_as_the_catalogue_has_it_is_that_card() -> None:
    gpu = local(nvidia_smi=RTX_5090)
    assert gpu.id == "rtx-5090"
    assert gpu.memory_bandwidth == load_gpu("rtx-5090").memory_bandwidth
    assert gpu.max_clock_hz == load_gpu("rtx-5090").max_clock_hz
    assert said(gpu) == (
        "this machine's GPU as nvidia-smi reports it: NVIDIA GeForce RTX 5090, driver 570.124.06",
    )


def test_every_difference_from_the_catalogue_is_taken_and_said() -> None:
    gpu, catalogue = local(nvidia_smi=CAPPED), load_gpu("rtx-5090")
    assert gpu.tdp_w == 450.0
    assert gpu.max_clock_hz == 3240e6
    assert gpu.memory_bandwidth == 2 * 15001e6 * 512 / 8
    assert said(gpu)[1:] == (
        "memory clock 15001 MHz x 512 bits: 1,920 GB/s, catalogue 1,792 GB/s",
        "SM clock up to 3240 MHz, catalogue 3090 MHz",
        "power cap 450 W, catalogue 575 W (not in the figures)",
    )
    assert gpu.achieved is not None
    assert catalogue.achieved is not None
    share = (catalogue.achieved.memory_bandwidth or 0.0) / catalogue.memory_bandwidth
    assert gpu.achieved.memory_bandwidth == pytest.approx(share * gpu.memory_bandwidth)


def test_a_limit_below_the_driver_clock_that_measurements_set_stays() -> None:
    row = RTX_5090.replace("NVIDIA GeForce RTX 5090", "NVIDIA H100 80GB HBM3")
    row = row.replace("14001 MHz, 3090 MHz", "2619 MHz, 1755 MHz").replace("32607", "81559")
    gpu = local(nvidia_smi=row.replace("575.00", "700.00"))
    assert gpu.max_clock_hz == load_gpu("h100").max_clock_hz
    assert said(gpu)[1:] == ("SM clock up to 1755 MHz, catalogue 1980 MHz",)


def test_the_reading_of_the_moment() -> None:
    (card,) = read_cards(printing(nvidia_smi=CAPPED), platform="linux")
    now = card.now
    assert (now.temperature_c, now.power_w, now.utilization) == (71.0, 449.12, 0.99)
    assert now.throttle == ("power cap", "temperature (software slowdown)")
    assert (now.pcie_generation, now.pcie_lanes) == (4, 8)
    assert now.processes == 2
    assert now.memory_used_bytes == 18211 * 2**20


def test_what_the_driver_does_not_say_is_the_catalogues() -> None:
    gpu = local(nvidia_smi=SPARK)
    assert gpu.id == "dgx-spark"
    assert gpu.memory_bytes == load_gpu("dgx-spark").memory_bytes
    assert gpu.memory_bandwidth == load_gpu("dgx-spark").memory_bandwidth


def test_the_first_of_several_cards_is_taken_and_the_others_named() -> None:
    gpu = local(nvidia_smi=T4 + RTX_5090)
    assert gpu.id == "t4"
    assert said(gpu)[-1] == "the first of 2 GPUs; the others: NVIDIA GeForce RTX 5090"
    assert not any("the first of" in line for line in local(nvidia_smi=T4 + T4).assumptions)


@pytest.mark.parametrize(
    ("data", "gpu_id", "size"),
    [
        (RX_7900_XT, "rx-7900-xt", 21458059264),
        (MI250, "mi250", 68702699520),
        (OLD_ROCM, "mi100", 34342961152),
    ],
)
def test_rocm_smi(data: object, gpu_id: str, size: float) -> None:
    gpu = local(rocm_smi=json.dumps(data))
    assert gpu.id == gpu_id
    assert gpu.memory_bytes == size


def test_rocm_smi_with_a_warning_before_its_json() -> None:
    text = "WARNING: AMD GPU device(s) is/are in a low-power state.\n\n" + json.dumps(RX_7900_XT)
    (card,) = read_cards(printing(rocm_smi=text), platform="linux")
    assert card.driver == "6.12.12"
    assert card.power_cap_w == 265.0
    assert (card.now.temperature_c, card.now.power_w, card.now.utilization) == (52.0, 17.0, 0.03)
    assert any("power cap 265 W" in line for line in said(local(rocm_smi=text)))


def test_a_mac_by_its_cores_with_three_quarters_of_its_own_memory() -> None:
    gpu = local("darwin", system_profiler=json.dumps(M4_MAX), sysctl=f"{48 * 2**30}\n")
    assert gpu.id == "apple-m4-max-32c"
    assert gpu.memory_bytes == 36 * 2**30
    assert not any("largest memory configuration" in line for line in gpu.assumptions)
    assert any("memory 38.7 GB" in line for line in said(gpu))


def test_no_gpu_says_what_was_asked() -> None:
    with pytest.raises(InputError, match="NVML, nvidia-smi and rocm-smi list none"):
        local()
    with pytest.raises(InputError, match="and system_profiler list none"):
        local("darwin")


@pytest.mark.parametrize(
    "outputs",
    [
        {"nvidia_smi": "NVIDIA-SMI has failed because it couldn't communicate with the driver.\n"},
        {"nvidia_smi": ""},
        {"rocm_smi": "not json {"},
        {"rocm_smi": "[1, 2]"},
        {"rocm_smi": '{"card0": "odd"}'},
        {"rocm_smi": '{"card0": {"Card Series": "N/A"}}'},
        {"rocm_smi": "{" * 100_000},
    ],
)
def test_output_that_makes_no_sense_is_no_card(outputs: dict[str, str]) -> None:
    assert read_cards(printing(**outputs), platform="linux") == ()


def test_a_card_the_catalogue_lacks_is_an_error_that_names_it() -> None:
    row = RTX_5090.replace("RTX 5090", "RTX 9090")
    with pytest.raises(InputError, match="RTX 9090, as nvidia-smi calls") as caught:
        local(nvidia_smi=row)
    assert "vperf measure" in caught.value.hint


def test_a_program_that_is_not_there_or_fails_prints_nothing() -> None:
    assert local_gpu.run(("no-such-program-of-vperf",)) is None
    assert local_gpu.run(("false",)) is None
    assert local_gpu.run(("echo", "hello")) == "hello\n"


class Nvml(ModuleType):
    """nvidia-ml-py over one RTX 5090 whose old driver does not know all that is asked."""

    NVML_CLOCK_SM, NVML_CLOCK_MEM, NVML_TEMPERATURE_GPU = 1, 2, 0

    class NVMLError(Exception):
        """As the library raises it."""

    def __getattr__(self, name: str) -> Callable[..., object]:
        if name == "nvmlDeviceGetMemoryBusWidth":
            raise AttributeError(name)
        if name.startswith("nvmlDeviceGetM") and name.endswith("ClockInfo"):
            return lambda handle, clock: {1: 3090, 2: 14001}[clock]
        answers: dict[str, object] = {
            "nvmlDeviceGetCount": 1,
            "nvmlDeviceGetName": "NVIDIA GeForce RTX 5090",
            "nvmlSystemGetDriverVersion": b"570.124.06",
            "nvmlDeviceGetMemoryInfo": SimpleNamespace(total=32607 * 2**20, used=2**20),
            "nvmlDeviceGetUtilizationRates": SimpleNamespace(gpu=7),
            "nvmlDeviceGetComputeRunningProcesses": [object()],
            "nvmlDeviceGetCurrentClocksThrottleReasons": 0x44,
            "nvmlDeviceGetPowerManagementLimit": 450_000,
            "nvmlDeviceGetPowerManagementDefaultLimit": 575_000,
            "nvmlDeviceGetTemperature": 51,
        }

        def answer(*_: object) -> object:
            if name in answers or name in ("nvmlInit", "nvmlShutdown") or "Handle" in name:
                return answers.get(name)
            raise self.NVMLError(name)

        return answer


def test_nvml_is_asked_first_and_what_it_does_not_know_is_left_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", Nvml("pynvml"))
    (card,) = read_cards()
    assert (card.name, card.tool, card.driver) == (
        "NVIDIA GeForce RTX 5090", "NVML", "570.124.06"
    )  # fmt: skip
    assert (card.sm_clock_hz, card.memory_clock_hz, card.bus_bits) == (3090e6, 14001e6, None)
    assert (card.power_cap_w, card.power_default_w) == (450.0, 575.0)
    assert card.now.throttle == ("power cap", "temperature (hardware slowdown)")
    assert (card.now.utilization, card.now.processes, card.now.power_w) == (0.07, 1, None)
    assert local_gpu.local_gpu().tdp_w == 450.0


def test_local_is_a_gpu_name_wherever_one_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = [local(nvidia_smi=CAPPED)]
    monkeypatch.setattr(local_gpu, "local_gpu", asked.pop)
    load_local_gpu.cache_clear()
    answer = api.estimate("qwen3-8b", " Local ")
    assert load_gpu("local").id == "rtx-5090", "the driver is asked once"
    load_local_gpu.cache_clear()
    assert answer.gpu.id == "rtx-5090"
    assert answer.gpu.memory_bandwidth_bytes_per_s == 2 * 15001e6 * 512 / 8
    assert any("power cap 450 W" in line for line in answer.assumptions)


def test_a_file_is_a_gpu_name_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (
        'name = "Mine"\n[memory]\nsize = "1 GB"\nbandwidth = "1 GB/s"\n[peak]\nbf16 = "1 TFLOPS"\n'
    )
    for name in ("mine.toml", "mine.TOML", "h100", "just-mine"):
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert load_gpu("mine.toml").name == "Mine"
    assert load_gpu("mine.TOML").name == "Mine"
    assert load_gpu("just-mine").name == "Mine"
    assert load_gpu("h100").id == "h100-sxm-80gb", "the catalogue's names come first"
    with pytest.raises(InputError, match="no such file"):
        load_gpu("not-there.toml")
    with pytest.raises(UnknownNameError):
        load_gpu("not-there")
    with pytest.raises(UnknownNameError):
        load_gpu("x" * 5000)

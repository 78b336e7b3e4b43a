"""Finding a GPU by any spelling, saying so when the spelling was vague, and never guessing."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vperf.errors import InputError, UnknownNameError, VperfError
from vperf.sources import catalog, gpus
from vperf.sources.catalog import Files, data_dir
from vperf.sources.gpu_names import _spellings, index_of, tables_of
from vperf.sources.gpu_override import override
from vperf.sources.gpus import gpu_names, list_gpus, load_gpu, load_gpu_file

EXACT = {
    "rtx-4090": "rtx-4090",
    "RTX4090": "rtx-4090",
    "NVIDIA GeForce RTX 4090": "rtx-4090",
    "geforce_rtx_4090": "rtx-4090",
    "4090": "rtx-4090",
    " RTX-4090 ": "rtx-4090",
    "RTX 4090 D": "rtx-4090d",
    "NVIDIA GeForce RTX 4090 Laptop GPU": "rtx-4090-laptop",
    "NVIDIA H100 80GB HBM3": "h100-sxm-80gb",
    "h100_sxm": "h100-sxm-80gb",
    "h100-sxm": "h100-sxm-80gb",
    "H100 80GB": "h100-sxm-80gb",
    "H100-SXM5-80GB": "h100-sxm-80gb",
    "NVIDIA H100 PCIe": "h100-pcie-80gb",
    "NVIDIA H100 NVL": "h100-nvl-94gb",
    "NVIDIA H200": "h200-sxm-141gb",
    "h200-sxm": "h200-sxm-141gb",
    "h200_sxm": "h200-sxm-141gb",
    "NVIDIA H200 NVL": "h200-nvl-141gb",
    "NVIDIA H20": "h20-96gb",
    "NVIDIA GH200 480GB": "gh200-96gb",
    "NVIDIA B200": "b200-sxm-180gb",
    "b200-sxm": "b200-sxm-180gb",
    "b300-sxm": "b300-sxm",
    "NVIDIA B300 SXM6 AC": "b300-sxm",
    "gb200": "gb200",
    "GB300": "gb300",
    "NVIDIA A100-SXM4-80GB": "a100-sxm-80gb",
    "NVIDIA A100 80GB PCIe": "a100-pcie-80gb",
    "NVIDIA A100-PCIE-40GB": "a100-pcie-40gb",
    "NVIDIA A100-SXM4-40GB": "a100-sxm-40gb",
    "Tesla V100-SXM2-32GB": "v100-sxm2-32gb",
    "Tesla T4": "t4",
    "NVIDIA L4": "l4",
    "NVIDIA L40S": "l40s",
    "l40s": "l40s",
    "NVIDIA L40": "l40",
    "NVIDIA A10G": "a10g",
    "NVIDIA RTX A6000": "rtx-a6000",
    "NVIDIA RTX 6000 Ada Generation": "rtx-6000-ada",
    "Quadro RTX 6000": "quadro-rtx-6000",
    "NVIDIA RTX PRO 6000 Blackwell Workstation Edition": "rtx-pro-6000-workstation",
    "NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition": "rtx-pro-6000-maxq",
    "NVIDIA RTX PRO 6000 Blackwell Server Edition": "rtx-pro-6000-server",
    "rtx_pro_6000_server": "rtx-pro-6000-server",
    "NVIDIA GeForce RTX 5090": "rtx-5090",
    "GB10": "dgx-spark",
    "DGX Spark": "dgx-spark",
    "NVIDIA Thor": "jetson-thor-t5000",
    "AMD Instinct MI300X OAM": "mi300x",
    "MI300X": "mi300x",
    "AMD Radeon RX 7900 XTX": "rx-7900-xtx",
    "Radeon 8060S Graphics": "strix-halo",
    "Intel(R) Arc(TM) B580 Graphics": "arc-b580",
    "Intel(R) Arc(TM) Pro B60 Graphics": "arc-pro-b60",
    "Apple M3 Max": "apple-m3-max",
    "Apple M2 Ultra": "apple-m2-ultra",
    "apple-m4": "apple-m4",
}

VAGUE = {
    "rtx-pro-6000": "rtx-pro-6000-workstation",
    "RTX PRO 6000": "rtx-pro-6000-workstation",
    "NVIDIA RTX PRO 6000 Blackwell": "rtx-pro-6000-workstation",
    "h100": "h100-sxm-80gb",
    "NVIDIA H100": "h100-sxm-80gb",
    "a100": "a100-sxm-80gb",
    "a100-sxm": "a100-sxm-80gb",
    "A100 40GB": "a100-sxm-40gb",
    "h200": "h200-sxm-141gb",
    "b200": "b200-sxm-180gb",
    "b300": "b300-sxm",
    "v100": "v100-sxm2-16gb",
    "h20": "h20-96gb",
    "gh200": "gh200-96gb",
    "RTX 3080": "rtx-3080-10gb",
    "NVIDIA GeForce RTX 3080": "rtx-3080-10gb",
    "rtx-3060": "rtx-3060-12gb",
    "4060 Ti": "rtx-4060-ti-16gb",
    "NVIDIA GeForce RTX 4060 Ti": "rtx-4060-ti-16gb",
    "5060-ti": "rtx-5060-ti-16gb",
    "m3-max": "apple-m3-max",
    "M4 Max": "apple-m4-max",
    "Orin": "jetson-agx-orin-64gb",
}


@pytest.mark.parametrize(("spelling", "gpu_id"), EXACT.items())
def test_an_exact_spelling_resolves_without_an_assumption_about_the_name(
    spelling: str, gpu_id: str
) -> None:
    gpu = load_gpu(spelling)
    assert gpu.id == gpu_id
    assert not any(" taken as " in line for line in gpu.assumptions)


@pytest.mark.parametrize(("spelling", "gpu_id"), VAGUE.items())
def test_a_vague_spelling_gives_its_default_and_says_so(spelling: str, gpu_id: str) -> None:
    gpu = load_gpu(spelling)
    assert gpu.id == gpu_id
    assert gpu.assumptions[0].startswith(f"{spelling} taken as {gpu_id}")


def test_the_three_rtx_pro_6000_are_told_apart_in_the_assumption() -> None:
    assert load_gpu("rtx-pro-6000").assumptions[0] == (
        "rtx-pro-6000 taken as rtx-pro-6000-workstation, not rtx-pro-6000-maxq, rtx-pro-6000-server"
    )


def test_every_id_name_and_alias_resolves_to_its_own_file() -> None:
    for gpu_id in gpu_names():
        file = gpus.gpu_table(gpu_id)
        others = (*file.get("aliases", ()), *file.get("default_for", ()))
        for spelling in (gpu_id, gpu_id.upper(), file["name"], *others):
            assert load_gpu(spelling).id == gpu_id, spelling


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("rtx-4900", "rtx-4090"),
        ("h101", "h100-sxm-80gb"),
        ("rtx 6000", "rtx-6000-ada"),
        ("mi300", "mi300x"),
        ("rtx-5095", "rtx-5090"),
        ("NVIDIA GeForce RTX 4095", "rtx-4090"),
    ],
)
def test_an_unknown_name_offers_the_nearest_and_is_never_guessed(typed: str, offered: str) -> None:
    with pytest.raises(UnknownNameError) as caught:
        load_gpu(typed)
    assert offered in caught.value.nearest
    assert 1 <= len(caught.value.nearest) <= 5
    assert offered in caught.value.hint


@pytest.mark.parametrize(
    "name",
    ["", " ", "nvidia", "../../no/such/file", "a\nb", "\x00", "rtx-4090/../h100", "é", "\ud800"],
)
def test_a_name_that_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(UnknownNameError):
        load_gpu(name)


def test_a_name_of_several_cards_lists_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "gpus"
    folder.mkdir()
    for stem in ("one", "two"):
        (folder / f"{stem}.toml").write_text(
            f'name = "Card {stem}"\naliases = ["Card"]\nvendor = "X"\n'
            '[memory]\nsize = "1 GB"\nbandwidth = "1 GB/s"\n[peak]\nbf16 = "1 TFLOPS"\n'
        )
    monkeypatch.setenv("VPERF_CONFIG_DIR", str(tmp_path))
    with pytest.raises(InputError, match="several GPUs: one, two"):
        load_gpu("card")


@settings(deadline=None)
@given(st.text())
def test_resolving_any_text_gives_a_gpu_or_an_error_of_ours(name: str) -> None:
    with contextlib.suppress(VperfError):
        assert load_gpu(name).id in gpu_names()


def test_an_id_is_answered_from_one_file_and_any_spelling_quickly() -> None:
    def best_of_five(name: str) -> float:
        times = []
        for _ in range(5):
            start = time.perf_counter()
            load_gpu(name)
            times.append(time.perf_counter() - start)
        return min(times)

    # Generous: 0.5 ms and 7 ms on a laptop.
    assert best_of_five("rtx-4090") < 0.02
    assert best_of_five("NVIDIA GeForce RTX 4090") < 0.1


def test_names_and_list_agree() -> None:
    names = gpu_names()
    assert tuple(gpu.id for gpu in list_gpus()) == names
    assert names == tuple(sorted(names))


# A user's file -------------------------------------------------------------------------------

MINIMAL = """
name = "My card"
[memory]
size = "48 GB"
bandwidth = "1.5 TB/s"
[peak]
bf16 = "250 TFLOPS"
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_minimal_file_is_enough_and_what_is_missing_is_said(tmp_path: Path) -> None:
    gpu = load_gpu_file(written(tmp_path, MINIMAL))
    assert (gpu.id, gpu.name) == ("mine", "My card")
    assert gpu.memory_bytes == 48e9
    assert gpu.memory_bandwidth == 1.5e12
    assert gpu.peak_flop_per_s == {"bf16": 250e12}
    assert gpu.boost == 1.0
    assert gpu.achieved is None
    said = " ".join(gpu.assumptions)
    assert "clock" in said
    assert "SM count" in said
    assert "cache" in said


def test_a_file_may_name_a_measured_card_of_the_same_die(tmp_path: Path) -> None:
    text = MINIMAL.replace("[memory]", 'same_die = "h100-sxm-80gb"\n[memory]', 1)
    gpu = load_gpu_file(written(tmp_path, text))
    assert gpu.of_die is not None
    assert gpu.of_die.gemm_latency_s == pytest.approx(3.4e-6)
    # 790 of the H100's 989.4 TFLOPS, of 250; its HBM3 is not this card's memory.
    assert gpu.of_die.flop_per_s["bf16"] == pytest.approx(250e12 * 790 / 989.4, rel=1e-3)
    assert gpu.of_die.memory_bandwidth is None
    with pytest.raises(InputError, match="same_die"):
        load_gpu_file(written(tmp_path, text.replace("h100-sxm-80gb", "h100")))


def test_a_file_may_carry_measured_constants(tmp_path: Path) -> None:
    text = MINIMAL + (
        '[achieved]\nsource = "measured here"\nchecked = 2026-11-23\n'
        'memory_bandwidth = "1.2 TB/s"\n'
        'gemm_latency = "4 us"\n[achieved.flop_per_s]\nfp8_block = "200 TFLOPS"\n'
        '[achieved.all_reduce]\n2 = { latency = "5 us", bandwidth = "100 GB/s" }\n'
    )
    achieved = load_gpu_file(written(tmp_path, text)).achieved
    assert achieved is not None
    assert achieved.memory_bandwidth == 1.2e12
    assert achieved.gemm_latency_s == pytest.approx(4e-6)
    assert achieved.flop_per_s == {"fp8_block": 200e12}
    assert achieved.all_reduce[2].bytes_per_s == 100e9
    assert achieved.checked == "2026-11-23"


@pytest.mark.parametrize(
    ("change", "field", "says"),
    [
        (('bandwidth = "1.5 TB/s"', 'bandwith = "1.5 TB/s"'), "memory.bandwi", ""),
        (('"1.5 TB/s"', '"1.5"'), "memory.bandwidth", "is not a bandwidth"),
        (('"1.5 TB/s"', "1.5"), "memory.bandwidth", "is not a bandwidth"),
        (('"48 GB"', '"-48 GB"'), "memory.size", "positive"),
        (('bf16 = "250', 'bf61 = "250'), "peak.bf61", "not one of"),
        (('"250 TFLOPS"', "true"), "peak.bf16", "is not a rate"),
        (('name = "My card"', 'name = ""'), "name", ""),
        (('name = "My card"', ""), "name", "missing"),
        (('bf16 = "250 TFLOPS"', ""), "peak", "at least 1"),
        (('name = "My card"', 'name = "My card"\nvendr = "X"'), "vendr", "unknown key"),
    ],
)
def test_a_mistake_names_the_file_and_the_field(
    tmp_path: Path, change: tuple[str, str], field: str, says: str
) -> None:
    path = written(tmp_path, MINIMAL.replace(*change))
    with pytest.raises(InputError) as caught:
        load_gpu_file(path)
    assert caught.value.source == str(path)
    assert caught.value.field.startswith(field)
    assert says in caught.value.message


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ('vendr = "X"', "did you mean vendor?"),
        ("[compute]\nsm = 4", "did you mean sms?"),
        ("[achieved]\nsource = 'x'\nchecked = 2026-01-01\ngemm_latncy = '4 us'", "gemm_latency?"),
        ("zzzzzz = 1", "known keys: name"),
    ],
)
def test_an_unknown_key_offers_the_nearest(tmp_path: Path, line: str, hint: str) -> None:
    text = line + "\n" + MINIMAL if line[0] != "[" else MINIMAL + line
    with pytest.raises(InputError) as caught:
        load_gpu_file(written(tmp_path, text))
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    "text", ["not toml", "= 1", "a = [" + "[" * 2000, "name = 'x'\nname = 'y'"]
)
def test_a_file_that_is_not_toml_says_so(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match="not valid TOML"):
        load_gpu_file(written(tmp_path, text))


def test_a_file_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        load_gpu_file(tmp_path / "absent.toml")
    with pytest.raises(InputError, match="is a directory"):
        load_gpu_file(tmp_path)
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="UTF-8"):
        load_gpu_file(tmp_path / "binary.toml")
    with pytest.raises(InputError, match="cannot be read"):
        load_gpu_file("nul\x00byte")


# Overrides -----------------------------------------------------------------------------------


def test_an_overridden_bandwidth_keeps_the_measured_share_and_says_so() -> None:
    before = load_gpu("h100-sxm-80gb")
    after = override(before, memory_bandwidth="1.675 TB/s")
    assert before.achieved is not None
    assert after.achieved is not None
    assert before.achieved.memory_bandwidth is not None
    assert after.memory_bandwidth == 1.675e12
    assert after.achieved.memory_bandwidth == pytest.approx(before.achieved.memory_bandwidth / 2)
    assert "as given, not 3,350 GB/s" in after.assumptions[-1]


def test_an_overridden_peak_keeps_the_measured_share_of_it() -> None:
    before = load_gpu("h100-sxm-80gb")
    after = override(before, peaks={"fp8": "989.4 TFLOPS"})
    assert before.achieved is not None
    assert after.achieved is not None
    for rate in ("fp8", "fp8_block"):
        assert after.achieved.flop_per_s[rate] == pytest.approx(
            before.achieved.flop_per_s[rate] / 2
        )
    assert after.achieved.flop_per_s["bf16"] == before.achieved.flop_per_s["bf16"]
    assert after.peak_flop_per_s["bf16"] == before.peak_flop_per_s["bf16"]


def test_a_peak_the_card_did_not_have_is_added() -> None:
    gpu = override(load_gpu("a100-sxm-80gb"), peaks={"fp8": "100 TFLOPS"})
    assert gpu.peak_flop_per_s["fp8"] == 100e12
    assert "fp8 peak" in gpu.assumptions[-1]


def test_overridden_memory_is_said() -> None:
    gpu = override(load_gpu("rtx-4090"), memory="48 GB")
    assert gpu.memory_bytes == 48e9
    assert gpu.assumptions == ("memory 48.0 GB as given, not 25.8 GB",)


def test_the_limit_of_an_overridden_geforce_peak_is_explained() -> None:
    gpu = override(load_gpu("rtx-4090"), peaks={"bf16": "100 TFLOPS"})
    assert "the limit allows x1.23" in gpu.assumptions[-1]


def test_no_override_changes_nothing() -> None:
    gpu = load_gpu("rtx-4090")
    assert override(gpu) == gpu


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"memory_bandwidth": "fast"}, "memory bandwidth"),
        ({"memory": "48 tok"}, "memory"),
        ({"peaks": {"bf16": "0 TFLOPS"}}, "peak bf16"),
    ],
)
def test_an_override_without_a_sensible_unit_names_itself(
    options: dict[str, object], field: str
) -> None:
    with pytest.raises(InputError) as caught:
        override(load_gpu("rtx-4090"), **options)  # type: ignore[arg-type]
    assert caught.value.field == field


def test_an_unknown_pipe_offers_the_known_ones() -> None:
    with pytest.raises(UnknownNameError) as caught:
        override(load_gpu("rtx-4090"), peaks={"bf61": "1 TFLOPS"})
    assert "bf16" in caught.value.nearest


# Where the files are -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["rtx-4090", "qwen2.5", "a", "gpt_oss-20b"])
def test_a_plain_id_may_be_a_file_name(name: str) -> None:
    assert catalog.is_plain_id(name)


@pytest.mark.parametrize(
    "name",
    ["", "..", ".hidden", "a/b", "a\\b", "a..b", "A100", "-rf", "a\n", "é", "a" * 65, "nul\0"],
)
def test_nothing_that_could_leave_the_directory_is_a_plain_id(name: str) -> None:
    assert not catalog.is_plain_id(name)


def test_an_installation_without_its_files_says_how_to_repair_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog, "_CANDIDATES", (tmp_path,))
    with pytest.raises(VperfError, match="bundled configs are missing") as caught:
        catalog.data_dir()
    assert "reinstall" in caught.value.hint


def test_the_files_inside_a_wheel_win_over_a_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel, checkout = tmp_path / "wheel", tmp_path / "checkout"
    for folder in (wheel, checkout):
        (folder / "gpus").mkdir(parents=True)
    monkeypatch.setattr(catalog, "_CANDIDATES", (wheel, checkout))
    assert catalog.data_dir() == wheel


def test_the_index_of_a_wheel_finds_what_the_files_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = data_dir() / "gpus"
    shipped = tmp_path / "gpus"
    shipped.symlink_to(folder, target_is_directory=True)
    read = _spellings(Files(folder, tmp_path / "none"))
    (tmp_path / "gpus.index").write_bytes(index_of(folder))
    monkeypatch.setattr("vperf.sources.gpu_names.index_of", None)  # only the index may be read
    assert _spellings(Files(shipped, tmp_path / "none")) == read
    assert len(read) == len(gpu_names())


def test_the_tables_of_a_wheel_list_what_the_files_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = list_gpus()
    folder = data_dir() / "gpus"
    (tmp_path / "gpus").symlink_to(folder, target_is_directory=True)
    (tmp_path / "gpus.json").write_bytes(tables_of(folder))
    monkeypatch.setattr(gpus, "files_of", lambda kind: Files(tmp_path / kind, tmp_path / "none"))
    monkeypatch.setattr(Files, "table", None)  # only that file may be read
    assert list_gpus() == listed


@pytest.mark.parametrize(
    ("typed", "taken"),
    [("5090 laptop", "rtx-5090-laptop"), ("Orin AGX 64GB", "jetson-agx-orin-64gb"),
     ("3090 24GB", "rtx-3090"), ("laptop 4090", "rtx-4090-laptop")],
)  # fmt: skip
def test_the_words_of_a_name_find_the_one_card_that_has_them_all(typed: str, taken: str) -> None:
    assert load_gpu(typed).id == taken


@pytest.mark.parametrize("typed", ["laptop", "Ultra", "16gb", "rtx 9999", "H100 500GB", "MI300"])
def test_words_of_several_cards_or_of_none_find_no_card(typed: str) -> None:
    with pytest.raises(UnknownNameError):
        load_gpu(typed)


def test_a_machines_memory_may_be_said_at_its_name() -> None:
    # macOS lets the GPU use 75 %: 72 of 96, 384 of 512 GiB, where the file has the largest.
    assert load_gpu("M3 Ultra 96GB").memory_bytes == 72 * 2**30
    assert load_gpu("M3 Ultra 512GB") == load_gpu("M3 Ultra")
    assert load_gpu("Strix Halo 64GB").memory_bytes == 48 * 2**30
    assert "75%" in " ".join(load_gpu("M3 Ultra 96GB").assumptions)


def test_the_machine_around_a_chip_is_no_part_of_its_name() -> None:
    assert load_gpu("MacBook Pro M3 Max 64GB").memory_bytes == 48 * 2**30
    assert load_gpu("Mac mini M4 Pro 64GB").id == "apple-m4-pro"


def test_memory_may_be_said_in_brackets_and_binary() -> None:
    assert {load_gpu(n).id for n in ("RTX 3090 (24GB)", "GeForce RTX 3090 \u00b7 24 GiB")} == {
        "rtx-3090"
    }


def test_a_rebuilt_card_has_twice_its_memory_and_says_so() -> None:
    card = load_gpu("4090 48GB")
    assert card.memory_bytes == 2 * load_gpu("4090").memory_bytes
    assert "rebuilt" in " ".join(card.assumptions)
    with pytest.raises(UnknownNameError):
        load_gpu("4090 32GB")

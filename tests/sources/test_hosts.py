"""Hosts by name and their memory as people write it."""

from __future__ import annotations

from pathlib import Path

import pytest

from vperf.errors import InputError, UnknownNameError
from vperf.places import host_named
from vperf.scenario import Scenario
from vperf.sources.catalog import files_of
from vperf.sources.gpus import load_gpu
from vperf.sources.hosts import HOST_FILE, list_hosts, load_host
from vperf.sources.local_host import local_host
from vperf.sources.schema import check_file


def test_every_file_of_a_host_is_valid() -> None:
    files = files_of("hosts")
    for host_id in files.ids:
        check_file(files.table(host_id, HOST_FILE), HOST_FILE, host_id)
    assert len(list_hosts()) == len(files.ids)


@pytest.mark.parametrize(
    ("name", "host_id"),
    [
        ("EPYC 9654", "epyc-9654"),
        ("AMD EPYC 9654 96-Core Processor", "epyc-9654"),
        ("Intel(R) Xeon(R) Gold 6454S", "xeon-gold-6454s"),
        ("12th Gen Intel(R) Core(TM) i9-12900K", "core-i9-12900k"),
        ("Intel(R) Core(TM) i9-10900X CPU @ 3.70GHz", "core-i9-10900x"),
        ("AMD Ryzen 9 7950X 16-Core Processor", "ryzen-9-7950x"),
        ("2x EPYC 9654", "2x-epyc-9654"),
        ("dual Xeon Gold 6454S", "2x-xeon-gold-6454s"),
    ],
)
def test_a_host_is_found_by_the_names_it_is_printed_under(name: str, host_id: str) -> None:
    assert load_host(name).id == host_id


def test_two_sockets_have_twice_the_cores_the_memory_and_its_rate() -> None:
    one, two = load_host("epyc-9654"), load_host("2x epyc-9654")
    assert one.memory_bandwidth == 12 * 4800e6 * 8
    for fact in ("memory_bandwidth", "sm_count", "l2_bytes", "memory_bytes"):
        assert getattr(two, fact) == 2 * getattr(one, fact)


@pytest.mark.parametrize(
    ("memory", "rate", "size"),
    [
        ("DDR5-6000 x2", 96e9, None),
        ("2x DDR5-6000", 96e9, None),
        ("96 GB DDR5-6400 x4", 204.8e9, 96e9),
        ("128 GB", 89.6e9, 128e9),
        ("DDR4 3200", 51.2e9, None),
        ("230 GB/s", 230e9, None),
        ("768 GB 500 GB/s", 500e9, 768e9),
    ],
)
def test_memory_is_read_as_people_write_it(memory: str, rate: float, size: float | None) -> None:
    host = load_host("desktop-ddr5", memory)
    assert host.memory_bandwidth == pytest.approx(rate)
    assert host.memory_bytes == pytest.approx(size or 64e9)
    assert any(note.kind == "host_memory" for note in host.assumptions) == (size is None)


def test_what_is_no_memory_and_no_host_is_refused() -> None:
    with pytest.raises(InputError, match="is not like"):
        load_host("desktop-ddr5", "fast")
    with pytest.raises(UnknownNameError, match="EPYC 9999"):
        load_host("EPYC 9999")


def test_a_host_is_a_target_of_its_own_behind_cpu() -> None:
    assert load_gpu("cpu:epyc 9654") == load_host("EPYC 9654")
    assert load_gpu("cpu:epyc-9654").is_host


def test_unlike_cards_are_one_machine() -> None:
    found = load_gpu("rtx-5090+2xRTX 3090")
    assert found.id == "rtx-5090+2xrtx-3090"
    assert [card.id for card in found.cards] == ["rtx-5090", "rtx-3090", "rtx-3090"]
    for name in ("rtx-5090++2xrtx-3090", "rtx-5090+cpu:epyc-9654"):
        with pytest.raises(InputError, match="is not like"):
            load_gpu(name)
    with pytest.raises(UnknownNameError, match="rtx-9999"):
        load_gpu("rtx-5090+rtx-9999")


def test_the_host_of_this_machine_is_found_by_what_linux_prints(tmp_path: Path) -> None:
    cpu = "processor : {}\nmodel name\t: AMD EPYC 9654 96-Core Processor\nphysical id\t: {}\n"
    (tmp_path / "cpuinfo").write_text(cpu.format(0, 0) + cpu.format(1, 1))
    (tmp_path / "meminfo").write_text("MemTotal:       65536000 kB\n")
    host = local_host(tmp_path)
    assert (host.id, host.memory_bytes) == ("2x-epyc-9654", 65536000 * 1024)
    (tmp_path / "cpuinfo").write_text(cpu.format(0, 0).replace("EPYC 9654", "Nothing 1"))
    with pytest.raises(InputError, match="Nothing 1"):
        local_host(tmp_path)
    with pytest.raises(InputError, match="does not say which CPU"):
        local_host(tmp_path / "no")


@pytest.mark.parametrize("typed", ["7950X", "Ryzen 7950X", "ryzen 9 7950x"])
def test_a_hosts_name_may_leave_words_out_that_only_it_has(typed: str) -> None:
    assert load_host(typed).id == "ryzen-9-7950x"


def test_a_family_of_hosts_is_none_of_them() -> None:
    with pytest.raises(UnknownNameError):
        load_host("EPYC")


def test_this_machines_gpu_is_beside_this_machines_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    here = load_host("epyc-9654")
    monkeypatch.setattr("vperf.sources.local_host.local_host", lambda: here)
    gpu = load_gpu("rtx-3090")
    assert host_named(Scenario("qwen3-8b", "local"), gpu) == here
    assert host_named(Scenario("qwen3-8b", "rtx-3090"), gpu) is None
    other = host_named(Scenario("qwen3-8b", "local", host="ryzen-9-7950x"), gpu)
    assert other is not None
    assert other.id == "ryzen-9-7950x"

    def unknown() -> None:
        raise InputError("is not in the catalogue")

    monkeypatch.setattr("vperf.sources.local_host.local_host", unknown)
    assert host_named(Scenario("qwen3-8b", "local"), gpu) is None

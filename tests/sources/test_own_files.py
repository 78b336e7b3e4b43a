"""A user's own GPU, engine and workload in the config directory: one file each, and no code."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

import vperf
from vperf.checks.importers.serving import engine_of
from vperf.errors import InputError, UnknownNameError
from vperf.hardware.commands import switch
from vperf.report.commands import Bench, Server, bench, launch
from vperf.sources.catalog import config_dir
from vperf.sources.engines import engine_names, load_engine
from vperf.sources.gpus import broken_gpu_files, gpu_names, list_gpus, load_gpu, load_gpu_file
from vperf.sources.workloads import load_workload, workload_names

GPU = """\
name = "Lab Card 1"
aliases = ["lab"]
[memory]
size = "48 GB"
bandwidth = "1.5 TB/s"
class = "HBM"
[peak]
bf16 = "250 TFLOPS"
"""
ENGINE = """\
name = "Fast Engine"
aliases = ["fe"]
host_time_per_step = "0.2 ms"
launch_time = "2 us"
memory_utilization = 0.9
[scheduler]
max_batched_tokens = 4096
[launch]
words = ["fast serve {model}", "--gpus {tp}", { when = "eager", word = "--slow" }]
[bench]
words = ["fast bench --in {input_tokens} --out {output_tokens}", "--users {users}"]
[switches]
async = "--overlap"
[formats]
four_bit = "int4"
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    files = {"gpus/lab-1": GPU, "engines/fast": ENGINE,
             "workloads/mine": "input_len = 700\noutput_len = 70\n"}  # fmt: skip
    for name, text in files.items():
        path = tmp_path / f"{name}.toml"
        path.parent.mkdir()
        path.write_text(text)
    monkeypatch.setenv("VPERF_CONFIG_DIR", str(tmp_path))
    return tmp_path


def test_a_gpu_is_found_by_its_id_and_its_names_and_says_whose_it_is(own: Path) -> None:
    path = str(own / "gpus" / "lab-1.toml")
    for name in ("lab-1", "Lab Card 1", "LAB"):
        gpu = load_gpu(name)
        assert (gpu.id, gpu.origin) == ("lab-1", path)
        assert any(path in line for line in gpu.assumptions)
    assert "lab-1" in gpu_names()
    assert any(gpu.id == "lab-1" for gpu in list_gpus())
    assert load_gpu("h100").origin == ""


def test_an_own_file_stands_before_one_that_ships(own: Path) -> None:
    (own / "gpus" / "h100-sxm-80gb.toml").write_text(GPU)
    assert load_gpu("h100-sxm-80gb").memory_bytes == 48e9


def test_an_engine_is_one_file_for_speed_commands_suspects_and_importers(own: Path) -> None:
    assert "fast" in engine_names()
    answer = vperf.estimate("Qwen/Qwen3-8B", "h100", engine="Fast Engine", tp=2)
    assert answer.workload.engine == "fast"
    assert launch(Server("fast", "a/b", tp=2, cuda_graphs=False)) == [
        ["fast serve a/b", "--gpus 2", "--slow"]
    ]
    assert bench("fast", "a/b", Bench(10, 5, 4)) == ["fast bench --in 10 --out 5", "--users 4"]
    assert bench("fast", "a/b", Bench(10, 5, 4, prefix_tokens=3)) == []
    assert engine_of("fe-chat") == "fast"
    assert load_engine("fast").formats == {"four_bit": "int4"}
    assert switch(load_engine("fast"), "async") == "--overlap"
    assert switch(load_engine("fast"), "tp", tp="4", stage="4") == "--gpus 4"
    assert switch(load_engine("fast"), "kv-fp8", kv_cache="fp8") == ""


def test_a_workload_is_found_by_its_name(own: Path) -> None:
    assert "mine" in workload_names()
    assert load_workload("mine").input_tokens == 700


def test_a_broken_file_is_told_when_it_is_used_and_leaves_the_others_alone(own: Path) -> None:
    path = own / "gpus" / "torn.toml"
    path.write_text(GPU.replace("bandwidth", "bandwith"))
    (own / "engines" / "torn.toml").write_text("name = 3")
    assert load_gpu("lab-1").id == "lab-1"
    assert "torn" not in {gpu.id for gpu in list_gpus()}
    (error,) = broken_gpu_files()
    assert error.source == str(path)
    for load, name in ((load_gpu, "torn"), (load_engine, "torn")):
        with pytest.raises(InputError) as caught:
            load(name)
        assert "torn.toml" in caught.value.source
    assert load_engine("TensorRT-LLM").id == "trtllm"
    with pytest.raises(UnknownNameError):
        load_engine("nobody")


def test_the_directory_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VPERF_CONFIG_DIR", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", "/x")
    assert config_dir() == Path("/x/vperf")
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", "/home/a")
    assert config_dir() == Path("/home/a/.config/vperf")
    monkeypatch.setenv("VPERF_CONFIG_DIR", "/y")
    assert config_dir() == Path("/y")


@pytest.mark.parametrize(
    ("right", "wrong", "field"),
    [
        ('word = "--slow"', 'words = "--slow"', "launch.words"),
        ("utilization = 0.9", "utilization = 1e12", "memory_utilization"),
        ("max_batched_tokens = 4096", "admission_steps = 9223372036854775808",
         "scheduler.admission_steps"),
        ("max_batched_tokens = 4096", "admission_steps = 1.5", "scheduler.admission_steps"),
    ],
)  # fmt: skip
def test_an_engine_that_cannot_run_is_refused_by_the_key(
    own: Path, right: str, wrong: str, field: str
) -> None:
    assert right in ENGINE
    (own / "engines" / "fast.toml").write_text(ENGINE.replace(right, wrong))
    with pytest.raises(InputError) as caught:
        load_engine("fast")
    assert caught.value.field.startswith(field)


def test_a_file_that_an_engine_takes_has_no_line_of_a_value_that_is_not_set(own: Path) -> None:
    text = """
[launch.file]
name = "a.yaml"
flag = "--config {file}"
[launch.file.options]
tp = { pipeline = "{pp}", tensors = "{tp}" }
"""
    (own / "engines" / "fast.toml").write_text(ENGINE.replace("[bench]", f"{text}[bench]"))
    assert launch(Server("fast", "a/b", tp=2))[0] == ["printf 'tensors: 2\\n' > a.yaml"]


@pytest.mark.skipif(os.name != "posix", reason="FIFOs of POSIX")
def test_a_gpu_file_may_be_a_pipe_which_is_read_once(tmp_path: Path) -> None:
    fifo = tmp_path / "card.toml"
    os.mkfifo(fifo)
    writer = threading.Thread(target=lambda: fifo.write_text(GPU))
    writer.start()
    assert load_gpu_file(fifo).name == "Lab Card 1"
    writer.join()

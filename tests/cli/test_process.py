"""The real process: pipes, encodings and environment, which no in-process run can show."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.loopback_hub import LoopbackHub

ESTIMATE = ("estimate", "-m", "Qwen/Qwen3-4B-Instruct-2507", "-g", "rtx-4090", "--ops")


def process(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "vperf", *arguments],
        capture_output=True,
        text=True,
        check=False,
        encoding="utf-8",
        env=_environment(environment),
    )


def _environment(changes: Mapping[str, str]) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "NO_COLOR", "VPERF_DEBUG")}
    return {**kept, "HF_HUB_OFFLINE": "1", **changes}


def test_python_m_vperf_is_the_command_and_a_pipe_gets_80_columns_without_ansi() -> None:
    ran = process(*ESTIMATE)
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""
    assert "\x1b" not in ran.stdout
    assert max(map(len, ran.stdout.splitlines())) <= 80


def test_columns_widens_a_pipe() -> None:
    assert max(map(len, process(*ESTIMATE, COLUMNS="160").stdout.splitlines())) > 80


@pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell and pipes")
@pytest.mark.parametrize("arguments", [ESTIMATE, ("gpus",), ("estimate", "--help")])
def test_a_reader_that_leaves_early_is_no_error(arguments: tuple[str, ...]) -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as closed_pipe:
        ran = subprocess.run(
            [sys.executable, "-m", "vperf", *arguments],
            stdout=closed_pipe,
            stderr=subprocess.PIPE,
            check=False,
            env=_environment({}),
        )
    assert ran.stderr == b""
    assert ran.returncode in (0, 1)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("arguments", [ESTIMATE, ("--help",), ("--version",)])
def test_a_full_disk_is_one_line(arguments: tuple[str, ...]) -> None:
    with open("/dev/full", "wb") as full:
        ran = subprocess.run(
            [sys.executable, "-m", "vperf", *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
            env=_environment({}),
        )
    assert ran.returncode == 2
    assert ran.stderr.count(b"\n") == 1


def test_an_ascii_terminal_gets_question_marks_and_no_traceback() -> None:
    ran = process("gpus", PYTHONIOENCODING="ascii")
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.isascii()


def test_json_is_alone_on_stdout() -> None:
    ran = process(*ESTIMATE[:-1], "--json")
    assert json.loads(ran.stdout)["schema"] == "vperf/estimate/1"
    assert ran.stderr == ""


def test_an_error_leaves_stdout_empty() -> None:
    ran = process("estimate", "-m", "x", "-g", "h100", "--batch-size", "0")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.count("\n") == 1


@pytest.mark.skipif(os.name == "nt", reason="needs a pseudo-terminal")
@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_a_terminal_gets_colour_unless_no_color_is_set(no_color: str, coloured: bool) -> None:
    import pty  # noqa: PLC0415 - POSIX only

    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "vperf", "gpus"],
        stdout=theirs,
        env=_environment({"NO_COLOR": no_color, "TERM": "xterm"}),
    ) as child:
        os.close(theirs)
        shown = b""
        while True:
            try:
                chunk = os.read(ours, 65536)
            except OSError:
                break
            if not chunk:
                break
            shown += chunk
        child.wait()
    os.close(ours)
    assert (b"\x1b[33mgeneric" in shown) is coloured
    assert b"\x1b[1m" in shown  # bold is no colour
    assert len(shown.splitlines()) < 30


def test_what_grades_results_is_imported_when_it_is_asked_for() -> None:
    code = (
        "import sys, vperf; assert 'vperf.checks' not in sys.modules; vperf.check; "
        "assert 'vperf.checks.check' in sys.modules and 'pydantic' not in sys.modules"
    )
    ran = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True)
    assert ran.returncode == 0, ran.stderr


@pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell")
@pytest.mark.parametrize(
    ("closed", "code"), [("check - <&-", 2), ("gpus >&-", 0), ("gpus no-such-card 2>&-", 2)]
)
def test_a_closed_stream_is_no_bug(closed: str, code: int) -> None:
    ran = subprocess.run(
        f"{shlex.quote(sys.executable)} -m vperf {closed}",
        shell=True, capture_output=True, check=False, env=_environment({}),
    )  # fmt: skip
    assert ran.returncode == code
    assert b"bug" not in ran.stderr


@pytest.mark.skipif(os.name == "nt", reason="homes and locales of POSIX")
@pytest.mark.parametrize(
    "environment",
    [
        {
            "HOME": "/nosuch",
            "HF_HOME": "",
            "XDG_CONFIG_HOME": "",
            "LC_ALL": "C",
            "LANG": "C",
            "PYTHONUTF8": "0",
            "PYTHONCOERCECLOCALE": "0",
        },
        {"HOME": "/proc", "HF_HOME": "", "XDG_CONFIG_HOME": "", "TMPDIR": "/proc"},  # nobody writes
    ],
    ids=["no home, locale C", "a home that cannot be written"],
)
def test_no_home_and_no_locale_is_needed(environment: dict[str, str]) -> None:
    ran = process(*ESTIMATE, **environment)
    assert (ran.returncode, ran.stderr) == (0, "")
    refused = process("estimate", "-m", "nobody/nothing", "-g", "h100", **environment)
    assert refused.returncode == 3
    assert refused.stderr.count("\n") == 1
    assert "Traceback" not in refused.stderr


def test_of_two_that_write_one_baseline_one_is_whole_and_every_reader_finds_it_so(
    tmp_path: Path,
) -> None:
    """A run that renews the baseline that it is compared with, twice at once."""
    baseline = tmp_path / "baseline.json"
    words = ("check", "-m", "qwen3-8b", "-g", "h100", "--json")
    assert process(*words, "--tpot", "9ms", "-o", str(baseline)).returncode == 0
    with_drift = (*words, "--baseline", str(baseline), "--max-drift", "50%", "-o", str(baseline))
    running = [
        subprocess.Popen((sys.executable, "-m", "vperf", *with_drift, "--tpot", tpot),
                         stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=_environment({}))
        for tpot in ("8ms", "8.5ms")
    ]  # fmt: skip
    while any(each.poll() is None for each in running):
        assert json.loads(baseline.read_text("utf-8"))["schema"] == "vperf/check/1"
    assert [each.communicate()[1] for each in running] == [b"", b""]
    assert [each.returncode for each in running] == [0, 0]
    metrics = json.loads(baseline.read_text("utf-8"))["metrics"]
    assert metrics["tpot_s"]["measured"] in {0.008, 0.0085}
    assert [each.name for each in tmp_path.iterdir()] == ["baseline.json"]


NOBODY = 65534


def as_nobody(python: str, *words: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    here = {"PYTHONDONTWRITEBYTECODE": "1", "HF_HUB_OFFLINE": "1", "PATH": "/usr/bin:/bin",
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **environment}  # fmt: skip
    return subprocess.run(
        [python, *words], env=here, user=NOBODY, group=NOBODY, extra_groups=(), cwd="/",
        capture_output=True, check=False,
    )  # fmt: skip


def python_of_nobody() -> str | None:
    """A Python of this version that another user may run, with what this one imports."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    for python in (sys.executable, f"/usr/bin/python{version}", f"/usr/local/bin/python{version}"):
        with contextlib.suppress(OSError):
            if as_nobody(python, "-c", "import vperf.cli.main, typer, pydantic").returncode == 0:
                return python
    return None


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root may be others")
def test_another_user_needs_neither_a_home_nor_one_that_it_may_look_into(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    closed = tmp_path_factory.mktemp("closed")
    (closed / "secret.json").write_text("{}")
    closed.chmod(0o700)
    python = python_of_nobody()
    if python is None:
        pytest.skip("another user may not look into this Python")
    words = ("-m", "vperf", "estimate", "-m", "qwen3-8b", "-g", "h100", "--brief")
    for home in ("/nonexistent", str(closed)):
        for more in ({"HOME": home}, {"HOME": "/", "HF_HOME": home}, {"XDG_CONFIG_HOME": home}):
            ran = as_nobody(python, *words, **more)
            assert (ran.returncode, ran.stderr) == (0, b""), more
    for option in ("--gpu-file", "--trace", "--workload"):
        ran = as_nobody(python, *words, option, f"{closed}/secret.json")
        assert ran.returncode == 2
        assert ran.stderr.startswith(b"error:")
        assert ran.stderr.count(b"\n") == 1


def test_many_processes_share_one_cache(tmp_path: Path) -> None:
    config = {
        "model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 512,
        "num_hidden_layers": 2, "num_attention_heads": 8, "num_key_value_heads": 2,
        "intermediate_size": 1024, "vocab_size": 4096, "torch_dtype": "bfloat16",
    }  # fmt: skip
    with LoopbackHub() as hub:
        hub.add_model("o/m", {"config.json": config})
        here = {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "0"}
        words = (sys.executable, "-m", "vperf", "estimate", "-m", "o/m", "-g", "h100", "--json")
        running = [
            subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             env={**_environment(here)})
            for _ in range(2)
        ]  # fmt: skip
        ended = [process.communicate(timeout=60) for process in running]
    assert [process.returncode for process in running] == [0, 0], ended
    assert len({json.dumps(json.loads(out)["limit"]) for out, _ in ended}) == 1
    assert not [path for path in tmp_path.rglob(".config*") if path.is_file()]

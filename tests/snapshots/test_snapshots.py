"""Whole outputs, as printed. What a change does to them is seen in its diff, and meant.

Text and Markdown are compared byte for byte. In JSON and CSV a figure may differ by 1e-9: sums in
another order are no change; the files hold 12 digits of it. To write them anew, and see what
changed:

    pytest -n 0 tests/snapshots --renew-snapshots

Not here: whether the figures are right (every other test).
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.gguf_writer import F32, Q4_K, Q6_K, gguf_bytes
from vperf.version import __version__

from .invocations import INVOCATIONS

HERE = Path(__file__).parent
_OUTPUTS, _INPUTS = HERE / "outputs", HERE / "inputs"
_FIGURE = re.compile(r"-?\d+(?:\.\d+(?:e[+-]?\d+)?|e[+-]?\d+)")
_MACHINE = (".json", ".jsonl", ".csv")


def _rounded(text: str) -> str:
    return _FIGURE.sub(lambda found: f"{float(found[0]):.12g}", text)


def _as_kept(name: str, printed: str) -> str:
    printed = printed.replace(__version__, "VERSION")
    return _rounded(printed) if name.endswith(_MACHINE) else printed


def _same(name: str, kept: str, printed: str) -> bool:
    if not name.endswith(_MACHINE) or kept == printed:
        return kept == printed
    number = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")
    if number.sub("", kept) != number.sub("", printed):
        return False
    pairs = zip(number.findall(kept), number.findall(printed), strict=True)
    return all(a == b or float(a) == pytest.approx(float(b), rel=1e-9, abs=0.0) for a, b in pairs)


def _write_gguf(path: Path) -> None:
    """Two layers of a Llama, as llama.cpp's converter writes them."""
    metadata = {
        "general.architecture": "llama", "general.name": "Tiny", "llama.block_count": 2,
        "llama.context_length": 8192, "llama.embedding_length": 1024,
        "llama.feed_forward_length": 4096, "llama.attention.head_count": 16,
        "llama.attention.head_count_kv": 4, "llama.vocab_size": 32000, "general.file_type": 15,
    }  # fmt: skip
    tensors = {"token_embd.weight": ((1024, 32000), Q4_K), "output_norm.weight": ((1024,), F32),
               "output.weight": ((1024, 32000), Q6_K)}  # fmt: skip
    for i in range(2):
        for name, shape, kind in (
            ("attn_q", (1024, 1024), Q4_K), ("attn_k", (1024, 256), Q4_K),
            ("attn_v", (1024, 256), Q6_K), ("attn_output", (1024, 1024), Q4_K),
            ("ffn_gate", (1024, 4096), Q4_K), ("ffn_up", (1024, 4096), Q4_K),
            ("ffn_down", (4096, 1024), Q6_K), ("attn_norm", (1024,), F32),
            ("ffn_norm", (1024,), F32),
        ):  # fmt: skip
            tensors[f"blk.{i}.{name}.weight"] = (shape, kind)
    path.write_bytes(gguf_bytes(metadata, tensors))
    os.truncate(path, 100_000_000)  # a hole where the weights would be


@pytest.fixture
def printed(vperf: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """What an invocation prints where the files of inputs/ and a GGUF file are."""
    for file in _INPUTS.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    _write_gguf(tmp_path / "tiny.gguf")
    monkeypatch.chdir(tmp_path)

    def run(name: str) -> str:
        ran = vperf(*INVOCATIONS[name].split())
        ended = f"[exit code {ran.code}]\n" if ran.code else ""
        return _as_kept(name, f"{ran.out}{ran.err}") + ended

    return run


@pytest.mark.parametrize("name", INVOCATIONS)
def test_the_output_is_the_one_kept(
    name: str,
    printed: Callable[[str], str],
    pytestconfig: pytest.Config,
    capsys: pytest.CaptureFixture[str],
) -> None:
    now = printed(name)
    path = _OUTPUTS / name
    kept = path.read_text(encoding="utf-8") if path.exists() else ""
    if _same(name, kept, now):
        return
    lines = difflib.unified_diff(
        kept.splitlines(), now.splitlines(), f"{name} as kept", f"{name} as printed", "", "",
        n=0, lineterm="",
    )  # fmt: skip
    changed = "\n".join(lines)
    if not pytestconfig.getoption("--renew-snapshots"):
        pytest.fail(f"vperf {INVOCATIONS[name]}\n{changed}", pytrace=False)
    path.write_text(now, encoding="utf-8", newline="\n")
    with capsys.disabled():
        print(f"\n{changed}")


def test_every_file_kept_is_of_an_invocation() -> None:
    assert {path.name for path in _OUTPUTS.iterdir()} == set(INVOCATIONS)

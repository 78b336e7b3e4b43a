"""The README and the pages of docs tell the truth: examples print what they print, Python runs.

    python tests/test_readme.py      writes the outputs anew

An example is a ```console block: one line `$ vperf ...`, then its output; a pipe into sed or head
shows a part, `; echo $?` the exit code. Those of docs run in one copy of docs/examples, in order.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shlex
import shutil
import tempfile
import textwrap
from pathlib import Path

import pytest

from vperf.cli.main import main
from vperf.formats import FORMATS, MIXES, MLX
from vperf.model.families import LINEAGES, families_of
from vperf.model.gguf.architectures import ARCHITECTURES
from vperf.model.quantization.dialects import DIALECTS

README = Path(__file__).resolve().parents[1] / "README.md"
_BLOCK = re.compile(r"^```console\n\$ (vperf .*)\n((?:.*\n)*?)```$", re.MULTILINE)
_PYTHON = re.compile(r"^```python\n((?:.*\n)*?)```$", re.MULTILINE)
TEXT = README.read_text(encoding="utf-8")
DOCS = README.parent / "docs"
PAGES = [page for page in sorted(DOCS.glob("*.md")) if _BLOCK.search(page.read_text("utf-8"))]


def output(command: str) -> str:
    """What the command prints at 80 columns; of the shell only these two pipes."""
    line, asked, _ = command.partition("; echo $?")
    ours, _, pipe = line.partition(" | ")
    os.environ |= {"COLUMNS": "80", "TERM": "xterm"}
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        code = main(shlex.split(ours)[1:])
    assert code in (0, 1)  # 1: the answer is no
    lines = out.getvalue().splitlines(keepends=True)
    if head := re.fullmatch(r"head -n (\d+)", pipe):
        lines = lines[: int(head[1])]
    elif part := re.fullmatch(r"sed -n '/(.*)/,/(.*)/p'", pipe):
        first = next(i for i, line in enumerate(lines) if re.search(part[1], line))
        last = next(i for i, line in enumerate(lines) if i > first and re.search(part[2], line))
        lines = lines[first : last + 1]
    else:
        assert not pipe, f"the test does not know: | {pipe}"
    return "".join(lines) + (f"{code}\n" if asked else "")


def outputs(page: Path) -> list[tuple[str, str]]:
    """Every example of a page of docs, with what it prints in a copy of docs/examples."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(DOCS / "examples", folder, dirs_exist_ok=True)
        with contextlib.chdir(folder):
            blocks = _BLOCK.findall(page.read_text(encoding="utf-8"))
            return [(command, output(command)) for command, _ in blocks]


def anew(page: Path) -> str:
    """A page of docs with what its examples print now."""
    printed = iter(outputs(page))
    text = page.read_text(encoding="utf-8")
    return _BLOCK.sub(lambda _: "```console\n$ {}\n{}```".format(*next(printed)), text)


_SUPPORTED = re.compile(r"(<!-- supported -->\n)(.*?)(<!-- end -->)", re.DOTALL)


def supported() -> str:
    """The README's table of what is understood, from the code that understands it."""
    lines = ["| what | names |", "|---|---|"]
    for lineage, words in LINEAGES.items():
        lines.append(f"| {words} | {', '.join(families_of(lineage))} |")
    own = [name for name in FORMATS if name not in MLX]
    lines += [
        f"| Quantized checkpoints, by `quant_method` | {', '.join(DIALECTS)}, modelopt |",
        f"| `--quantization` | {', '.join(own)} |",
        f"| ... as llama.cpp makes it | {', '.join(MIXES)} |",
        f"| ... as MLX makes it | {', '.join(MLX)} |",
        f"| GGUF files, by `general.architecture` | {', '.join(ARCHITECTURES)} |",
    ]
    return "\n".join(lines) + "\n"


_ACCURACY = re.compile(r"(<!-- accuracy -->\n)(.*?)(<!-- end -->)", re.DOTALL)


def accuracy() -> str:
    """The README's sentence on errors, from what the benchmark wrote into docs/accuracy.md."""
    page = (README.parent / "docs" / "accuracy.md").read_text(encoding="utf-8")
    blocks = [json.loads(text) for text in re.findall(r"```json\n(.*?)\n```", page, re.DOTALL)]
    (served,) = (block for block in blocks if block["mode"] == "serving")
    figures = {key: f"{100 * served[key]:.1f} %" for key in served if key.startswith("tpot_m")}
    words = (
        f"On {served['rows']:,} served points of vLLM, SGLang and TensorRT-LLM (H100, H200, B200, "
        f"B300; dense and MoE) the mean error of TPOT is {figures['tpot_mape']}, the median "
        f"{figures['tpot_median']}; dense models {figures['tpot_mape_dense']}; of TTFT the median "
        f"is {100 * served['ttft_median']:.0f} %."
    )
    return textwrap.fill(words, 100) + "\n"


def test_the_errors_that_the_readme_states_are_those_measured() -> None:
    found = _ACCURACY.search(TEXT)
    assert found
    assert found[2] == accuracy(), "python tests/test_readme.py writes it anew"


def test_the_table_of_what_is_supported_is_what_the_code_supports() -> None:
    found = _SUPPORTED.search(TEXT)
    assert found
    assert found[2] == supported(), "python tests/test_readme.py writes it anew"


@pytest.mark.parametrize("command", [block[0] for block in _BLOCK.findall(TEXT)])
def test_an_example_prints_what_the_readme_shows(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    shown = dict(_BLOCK.findall(TEXT))[command]
    assert output(command) == shown, "python tests/test_readme.py writes the outputs anew"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_examples_of_a_page_print_what_it_shows(
    page: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    shown = _BLOCK.findall(page.read_text(encoding="utf-8"))
    assert outputs(page) == shown, "python tests/test_readme.py writes the outputs anew"


def test_the_config_that_docs_show_is_the_one_that_they_run() -> None:
    page = (DOCS / "is-my-number-good.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"^```toml\n(.*?)```$", page, re.MULTILINE | re.DOTALL)
    assert shown == (DOCS / "examples" / "vperf.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize("code", _PYTHON.findall(TEXT))
def test_the_python_of_the_readme_runs(code: str) -> None:
    exec(compile(code, str(README), "exec"), {})


def test_the_readme_starts_with_two_commands_that_need_nothing() -> None:
    first, second = re.findall(r"^```sh\n(.*)\n```$", TEXT, re.MULTILINE)[:2]
    for command in (first, second):
        assert command.startswith("python3 -m venv .venv && .venv/bin/pip install ")
    assert first.endswith(
        ".venv/bin/vperf estimate --model Qwen/Qwen3-4B-Instruct-2507 --gpu rtx-pro-6000"
    )
    assert second.endswith(".venv/bin/pytest")


def test_the_readme_names_every_option_of_estimate(capsys: pytest.CaptureFixture[str]) -> None:
    main(["estimate", "--help"])
    options = set(re.findall(r"--[a-z-]+", capsys.readouterr().out.split("Examples:")[0]))
    assert sorted(o for o in options - {"--help"} if f"`{o}`" not in TEXT) == []


def test_the_readme_names_every_option_of_check(capsys: pytest.CaptureFixture[str]) -> None:
    main(["estimate", "--help"])
    shared = set(re.findall(r"--[a-z-]+", capsys.readouterr().out.split("Examples:")[0]))
    main(["check", "--help"])
    options = set(re.findall(r"--[a-z-]+", capsys.readouterr().out.split("Examples:")[0]))
    assert sorted(o for o in options - shared if f"`{o}`" not in TEXT) == []


if __name__ == "__main__":
    written = _BLOCK.sub(lambda block: f"```console\n$ {block[1]}\n{output(block[1])}```", TEXT)
    written = _SUPPORTED.sub(lambda block: f"{block[1]}{supported()}{block[3]}", written)
    written = _ACCURACY.sub(lambda block: f"{block[1]}{accuracy()}{block[3]}", written)
    README.write_text(written, encoding="utf-8")
    for page in PAGES:
        page.write_text(anew(page), encoding="utf-8")

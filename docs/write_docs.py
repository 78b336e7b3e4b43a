"""Writes what README.md and docs/ show of vperf itself: screens, tables, the picture.

    python docs/write_docs.py

A printed block is a ```console block: one line `$ vperf ...`, then its output; a pipe into sed or
head shows a part, `; echo $?` the exit code. The blocks of a page run in order, in one copy of
docs/examples. What stands between `<!-- NAME -->` and `<!-- end -->` is a table of GENERATED.
tests/test_docs.py holds every page to both. Not here: the
picture (pictures.py), JSON Schema files (schemas.py), the plot of errors (accuracy_plot.py).
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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import typer

from vperf.checks.importers import FORMATS as IMPORTED
from vperf.checks.live.engines import ENGINES
from vperf.cli.main import COMMANDS, build, main
from vperf.formats import FORMATS, MIXES, MLX
from vperf.mcp_server.tools import TOOLS
from vperf.model.families import LINEAGES, families_of
from vperf.model.gguf.architectures import ARCHITECTURES
from vperf.model.quantization.dialects import DIALECTS
from vperf.notes import Note
from vperf.sources.engines import engine_names

DOCS = Path(__file__).resolve().parent
README = DOCS.parent / "README.md"
PAGES = [*sorted(DOCS.parent.glob("*.md")), *sorted(DOCS.rglob("*.md"))]
BLOCK = re.compile(r"^```console\n\$ (vperf .*)\n((?:.*\n)*?)```$", re.MULTILINE)
_SECTION = re.compile(r"(<!-- ([a-z-]+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)


# Printed blocks.


@contextlib.contextmanager
def surroundings() -> Iterator[None]:
    """A reader's machine: a copy of docs/examples, a pipe of 80 columns, no network."""
    clean = {name: text for name, text in os.environ.items() if name not in _UNWANTED}
    plain = clean | {"COLUMNS": "80", "TERM": "xterm", "HF_HUB_OFFLINE": "1"}
    with tempfile.TemporaryDirectory() as folder, mock.patch.dict(os.environ, plain, clear=True):
        shutil.copytree(DOCS / "examples", folder, dirs_exist_ok=True)
        with contextlib.chdir(folder):
            yield


_UNWANTED = {"GITHUB_ACTIONS", "NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "VPERF_CONFIG_DIR"}


def run(command: str) -> tuple[str, int]:
    """What `vperf ...` prints, standard error among it, and its exit code."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        code = main(shlex.split(command)[1:])
    return out.getvalue(), code


def output(command: str) -> str:
    """What the line of a block prints; of the shell only two pipes and `; echo $?`."""
    line, echo, _ = command.partition("; echo $?")
    ours, _, pipe = line.partition(" | ")
    printed, code = run(ours)
    assert code in (0, 1), printed  # 1: the answer is no
    lines = printed.splitlines(keepends=True)
    if head := re.fullmatch(r"head -n (\d+)", pipe):
        lines = lines[: int(head[1])]
    elif part := re.fullmatch(r"sed -n '/(.*)/,/(.*)/p'", pipe):
        first = next(i for i, line in enumerate(lines) if re.search(part[1], line))
        last = next(i for i, line in enumerate(lines) if i > first and re.search(part[2], line))
        lines = lines[first : last + 1]
    else:
        assert not pipe, f"not known here: | {pipe}"
    return "".join(lines) + (f"{code}\n" if echo else "")


def blocks(page: Path) -> list[tuple[str, str]]:
    """The blocks of a page: command, and what the page says that it prints."""
    return [(command, shown) for command, shown in BLOCK.findall(page.read_text("utf-8"))]


def outputs(page: Path) -> list[tuple[str, str]]:
    """The same blocks with what they print now."""
    with surroundings():
        return [(command, output(command)) for command, _ in blocks(page)]


# Tables from the code.


def supported() -> str:
    """What is understood, from the code that understands it."""
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
        f"| Engines, `--engine` | {', '.join(engine_names())} |",
        f"| Results that `check` reads | {', '.join(_tools())} |",
        f"| Servers that `check` watches | {', '.join(dict.fromkeys(e.name for e in ENGINES))} |",
    ]
    return "\n".join(lines) + "\n"


def _tools() -> list[str]:
    return sorted({each.tool for each in IMPORTED}, key=str.lower)


@cache
def application() -> Any:
    """The command line with all commands."""
    return typer.main.get_command(build(COMMANDS))


def options() -> str:
    """Every command with its arguments and options; those that an estimate has stand there."""
    commands = application().commands
    estimate = commands["estimate"].params
    parts = []
    for name in COMMANDS:
        command = commands[name]
        shared = [] if name == "estimate" else [p for p in command.params if _is_among(p, estimate)]
        own = [option for option in command.params if option not in shared]
        parts += [f"## vperf {name}", _paragraphs(command.help)]
        if shared:
            parts.append(
                f"Options of [vperf estimate](#vperf-estimate): {_names(shared, estimate)}."
            )
        groups: dict[str, list[Any]] = {}
        for option in own:
            groups.setdefault(getattr(option, "rich_help_panel", None) or "", []).append(option)
        for group, members in groups.items():
            head = f"{group or 'option'} | meaning | default"
            rows = [_option_row(option) for option in members]
            parts.append("\n".join([f"| {head} |", "|---|---|---|", *rows]))
        parts.append(f"```text\n{_plain(command.epilog)}\n```")
    return "\n" + "\n\n".join(parts) + "\n\n"


def _is_among(option: Any, others: Sequence[Any]) -> bool:
    """Whether one of others has the same names and words; its default may be another."""
    return any((o.opts, o.help) == (option.opts, option.help) for o in others)


def _names(shared: Sequence[Any], estimate: Sequence[Any]) -> str:
    """The options by name, or nearly all of them by what is missing."""
    taken = {option.opts[0] for option in shared}
    less = [option for option in estimate if option.opts[0] not in taken]
    if len(less) > len(taken):
        return _codes(option.opts[0] for option in shared)
    return "all" + (f" but {_codes(option.opts[0] for option in less)}" if less else "")


def _option_row(option: Any) -> str:
    names = _codes((*option.opts, *option.secondary_opts))
    if not option.opts[0].startswith("-"):
        names = _codes([option.metavar or option.name.upper()])
    shown = getattr(option, "show_default", False)
    default = shown if isinstance(shown, str) else option.default
    said = getattr(option, "is_flag", False) or default in (None, [], "", ())
    return f"| {names} | {_cell(option.help or '')} | {'' if said else f'`{default}`'} |"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _codes(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _paragraphs(text: str) -> str:
    return "\n\n".join(" ".join(part.split()) for part in text.split("\n\n"))


def _plain(text: str) -> str:
    return re.sub(r"\n*\x08\n", "\n\n", text).strip()


# Errors, as the benchmark found them.


def accuracy() -> str:
    """What the README says of errors, from what the benchmark wrote into docs/accuracy.md."""
    page = (DOCS / "accuracy.md").read_text("utf-8")
    found = [json.loads(text) for text in re.findall(r"```json\n(.*?)\n```", page, re.DOTALL)]
    (served,) = (block for block in found if block["mode"] == "serving")
    unseen = served["out_of_sample"]
    points, over = served["scored"], served["limit_violations"]
    words = (
        f"On {points:,} served points of vLLM, SGLang and TensorRT-LLM (H100, H200, B200, B300; "
        f"dense and MoE) the error of TPOT is {_percent(served['tpot_mape'])} in the mean and "
        f"{_percent(served['tpot_median'])} in the median, of TTFT {_percent(served['ttft_mape'])} "
        f"and {_percent(served['ttft_median'])}; {_percent(served['tpot_in_range'])} of TPOT lies "
        f"within the range. Constants were fitted on these points; with the host times refitted "
        f"without the model that is scored, the means are "
        f"{_percent(unseen['tpot without its model'])} and "
        f"{_percent(unseen['ttft without its model'])}. {over} of the points are faster than the "
        f"limit, and cannot be what their labels say."
    )
    return textwrap.fill(words, 100) + "\n"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def mcp_tools() -> str:
    """The tools of `vperf mcp`, by the first line of what an agent is told."""
    rows = [
        f"| `{tool.__name__}` | {_cell((tool.__doc__ or '').split(chr(10))[0])} |" for tool in TOOLS
    ]
    return "\n".join(["| tool | answers |", "|---|---|", *rows]) + "\n"


def not_modelled() -> str:
    """What no answer holds, as answers themselves say it."""
    kinds = ("throttling", "image_host", "lookup_time")
    said = [*map(str, map(Note, kinds)), "what a narrower format does to the quality of answers"]
    return "".join(f"- {line}\n" for line in said)


GENERATED: Mapping[str, Callable[[], str]] = {
    "supported": supported,
    "options": options,
    "mcp-tools": mcp_tools,
    "accuracy": accuracy,
    "not-modelled": not_modelled,
}


def sections(page: Path) -> list[tuple[str, str]]:
    """The generated sections of a page: name, and what stands there."""
    return [(found[2], found[3]) for found in _SECTION.finditer(page.read_text("utf-8"))]


def rewritten(page: Path) -> str:
    """The page with its blocks and generated sections as they are now."""
    printed = iter(outputs(page))
    text = page.read_text("utf-8")
    text = BLOCK.sub(lambda _: "```console\n$ {}\n{}```".format(*next(printed)), text)
    return _SECTION.sub(lambda found: found[1] + GENERATED[found[2]]() + found[4], text)


def write_all() -> None:
    """Write every page, picture and schema anew."""
    from accuracy_plot import write_plot  # noqa: PLC0415
    from pictures import write_pictures  # noqa: PLC0415
    from schemas import write_schemas  # noqa: PLC0415

    for page in PAGES:
        page.write_text(rewritten(page), encoding="utf-8")
    write_pictures()
    write_schemas()
    write_plot()


if __name__ == "__main__":
    write_all()

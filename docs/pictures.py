"""The pictures of the README: real answers on a terminal, as SVG for light and dark pages.

    python docs/pictures.py

Text in it is text: tests/test_docs.py reads it back and compares it with what the command prints.
Not here: plots (`vperf ... -o plot.svg` draws them).
"""

from __future__ import annotations

import html
import io
import re
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text
from write_docs import DOCS, run, surroundings

COMMANDS = {
    "estimate": "vperf estimate --model Qwen/Qwen3-4B-Instruct-2507 --gpu rtx-pro-6000",
    "check": "vperf check serve-eager.json --min-efficiency 0.7",
}
"""By the name of the picture."""
_FOLDER = DOCS / "images"
_WIDTH = 80

# Colours of GitHub's light and dark pages, in the order of the 16 of a terminal.
_LIGHT = TerminalTheme(
    (255, 255, 255), (31, 35, 40),
    [(36, 41, 47), (207, 34, 46), (17, 99, 41), (125, 78, 0),
     (9, 105, 218), (130, 80, 223), (27, 124, 131), (110, 119, 129)],
)  # fmt: skip
_DARK = TerminalTheme(
    (13, 17, 23), (230, 237, 243),
    [(72, 79, 88), (255, 123, 114), (63, 185, 80), (210, 153, 34),
     (88, 166, 255), (188, 140, 255), (57, 197, 207), (177, 186, 196)],
)  # fmt: skip
THEMES = {"light": _LIGHT, "dark": _DARK}

# rich's own frame loads a font from the network and draws the buttons of a window.
_FRAME = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img"
 aria-label="What vperf prints">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace;
 font-size: {char_height}px; line-height: {line_height}px; font-variant-east-asian: full-width; }}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/></clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""
_EDGE = "rgba(255,255,255,0.35)"
_BUTTONS = re.compile(r'<g transform="translate\(26,22\)">.*?</g>', re.DOTALL)
_TITLE = re.compile(r'<text class="[^"]*-title".*?</text>', re.DOTALL)


def path(name: str, theme: str) -> Path:
    """Where a picture for pages of a theme lies."""
    return _FOLDER / f"{name}-{theme}.svg"


def printed(name: str, *extra: str) -> str:
    """The short screen of its command, as on a terminal."""
    with surroundings():
        return run(" ".join((COMMANDS[name], "--brief", *extra)))[0]


def draw(name: str, theme: str) -> str:
    """A picture, with the command above its answer."""
    console = Console(record=True, width=_WIDTH, file=io.StringIO(), force_terminal=True)
    console.print(Text("$ " + COMMANDS[name], style="dim"))
    console.print(Text.from_ansi(printed(name, "--color", "always")))
    drawn = console.export_svg(
        title="vperf", theme=THEMES[theme], code_format=_FRAME, unique_id=f"vperf-{name}"
    )
    return _TITLE.sub("", _BUTTONS.sub("", drawn)).replace(_EDGE, "#8b949e")


def text_of(svg: str) -> list[str]:
    """The lines of text in a picture, from top to bottom."""
    lines: dict[float, list[tuple[float, str]]] = {}
    for x, y, inner in re.findall(r'<text[^>]* x="([\d.]+)" y="([\d.]+)"[^>]*>(.*?)</text>', svg):
        text = html.unescape(inner).replace("\xa0", " ").rstrip("\n")
        lines.setdefault(float(y), []).append((float(x), text))
    return ["".join(text for _, text in sorted(lines[y])) for y in sorted(lines)]


def write_pictures() -> None:
    """Write the pictures for both themes."""
    _FOLDER.mkdir(exist_ok=True)
    for name in COMMANDS:
        for theme in THEMES:
            path(name, theme).write_text(draw(name, theme), encoding="utf-8")


if __name__ == "__main__":
    write_pictures()

"""README.md and docs/ tell the truth: what they print is printed, their links lead somewhere.

    python docs/write_docs.py      writes the outputs anew

Not here: how a block is run and a table is made (docs/write_docs.py, docs/pictures.py).
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import unquote

import accuracy_plot
import jsonschema
import pictures
import pytest
import schemas
from write_docs import (
    DOCS,
    GENERATED,
    PAGES,
    README,
    application,
    blocks,
    outputs,
    rewritten,
    sections,
)

import vperf
from vperf.version import __version__

ROOT = README.parent
TEXT = README.read_text(encoding="utf-8")
_ANEW = "python docs/write_docs.py writes it anew"
_PYTHON = re.compile(r"^```python\n((?:.*\n)*?)```$", re.MULTILINE)
_SHELL = re.compile(r"^```sh\n((?:.*\n)*?)```$", re.MULTILINE)
_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)|(?:href|src|srcset)=\"([^\"]+)\"")
_PYTHON_BLOCKS = [code for page in PAGES for code in _PYTHON.findall(page.read_text("utf-8"))]


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=_name)
def test_the_blocks_of_a_page_print_what_it_shows(page: Path) -> None:
    assert outputs(page) == blocks(page), _ANEW


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_each_console_block_of_a_page_is_one_that_runs(page: Path) -> None:
    assert len(blocks(page)) == page.read_text("utf-8").count("```console\n")


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_what_a_page_types_has_options_that_exist(page: Path) -> None:
    typed = "\n".join(_SHELL.findall(page.read_text("utf-8"))).replace("\\\n", " ")
    commands = application().commands
    for name, words in re.findall(r"^vperf (\w+)(.*)$", typed, re.MULTILINE):
        known = {option for each in commands[name].params for option in each.opts}
        used = set(re.findall(r"(?<= )--?[a-z][a-z-]*", words.partition("#")[0]))
        assert used <= known, name


@pytest.mark.parametrize("page", [page for page in PAGES if sections(page)], ids=_name)
def test_the_generated_parts_of_a_page_are_those_of_the_code(page: Path) -> None:
    for name, shown in sections(page):
        assert shown == GENERATED[name](), _ANEW


def test_each_generated_part_stands_on_some_page() -> None:
    assert {name for page in PAGES for name, _ in sections(page)} == set(GENERATED)


@pytest.mark.parametrize("theme", pictures.THEMES)
@pytest.mark.parametrize("name", pictures.COMMANDS)
def test_a_picture_shows_what_its_command_prints(name: str, theme: str) -> None:
    shown = pictures.text_of(pictures.path(name, theme).read_text(encoding="utf-8"))
    now = ["$ " + pictures.COMMANDS[name], *pictures.printed(name).splitlines()]
    assert [_squeezed(line) for line in shown if line] == [_squeezed(line) for line in now if line]


def _squeezed(line: str) -> str:
    """Without spaces, for which a picture has positions."""
    return "".join(line.split())


def test_a_picture_loads_nothing() -> None:
    for name in pictures.COMMANDS:
        for theme in pictures.THEMES:
            drawn = pictures.path(name, theme).read_text(encoding="utf-8")
            assert re.findall(r"https?://[^\"' )]+", drawn) == ["http://www.w3.org/2000/svg"]


def test_the_plot_shows_the_points_as_they_are_answered() -> None:
    assert accuracy_plot.PATH.read_text("utf-8") == accuracy_plot.draw(accuracy_plot.points()), (
        _ANEW
    )


def test_the_published_schemas_are_those_of_the_answers() -> None:
    published = {
        each.name: json.loads(each.read_text("utf-8")) for each in schemas.FOLDER.iterdir()
    }
    assert published == schemas.schemas(), _ANEW


def test_the_page_on_json_names_every_key_of_an_estimate_and_of_a_check() -> None:
    page = (DOCS / "json.md").read_text("utf-8")
    for name in ("estimate-1.json", "check-1.json"):
        schema = json.loads((schemas.FOLDER / name).read_text("utf-8"))
        assert [key for key in schema["properties"] if f"`{key}`" not in page] == []
        for key in ("limit", "memory", "simulated", "serving"):
            inner = schema["properties"].get(key, {}).get("properties", {})
            assert [each for each in inner if each not in page] == []


def test_the_page_on_python_names_everything_that_is_public() -> None:
    page = (DOCS / "python.md").read_text("utf-8")
    public = {name for name in dir(vperf) if not name.startswith("_")}
    assert {name for name in public if not re.search(rf"\b{name}\b", page)} == set()


def test_the_map_of_the_house_names_files_that_exist() -> None:
    table = (ROOT / "CONTRIBUTING.md").read_text("utf-8").partition("## Where to add")[0]
    cells = re.findall(r"^\| (`.*`) \|", table, re.MULTILINE)
    named = [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]
    assert named
    assert [name for name in named if not (ROOT / "src" / "vperf" / name).exists()] == []


_SNAPSHOTS = sorted((ROOT / "tests" / "snapshots" / "outputs").glob("*.json"))


@pytest.mark.parametrize("answer", _SNAPSHOTS, ids=lambda path: path.stem)
def test_other_answers_keep_to_the_published_schemas(answer: Path) -> None:
    found, _ = json.JSONDecoder().raw_decode(answer.read_text("utf-8"))  # an exit code may follow
    schema = schemas.FOLDER / schemas.file_name(found["schema"])
    jsonschema.validate(found, json.loads(schema.read_text("utf-8")))


@pytest.mark.parametrize("code", _PYTHON_BLOCKS, ids=range(len(_PYTHON_BLOCKS)))
def test_the_python_of_a_page_runs(code: str) -> None:
    exec(compile(code, "a page", "exec"), {})


def _anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", _FENCE.sub("", page.read_text("utf-8")), re.MULTILINE)
    words = [re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles]
    return set(words)


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    text = _FENCE.sub("", page.read_text("utf-8"))
    broken = []
    for found in _LINK.finditer(text):
        link = found[1] or found[2]
        if re.match(r"https?:|mailto:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / unquote(path)).resolve() if path else page
        if not target.exists() or (anchor and anchor not in _anchors(target)):
            broken.append(link)
    assert broken == []


def test_every_page_of_docs_is_reached_from_its_index() -> None:
    index = (DOCS / "index.md").read_text("utf-8")
    linked = {(DOCS / link.partition("#")[0]).resolve() for link, _ in _LINK.findall(index)}
    pages = {page for page in PAGES if DOCS in page.parents} - {DOCS / "index.md"}
    assert {_name(page) for page in pages - linked} == set()


def test_the_readme_is_read_in_three_minutes() -> None:
    assert len(TEXT.encode()) <= 8192
    assert len(re.findall(r"\w[\w'.,-]*", _FENCE.sub("", TEXT))) <= 800


def test_the_readme_starts_with_two_commands_that_need_nothing() -> None:
    first, second = (line for line in TEXT.splitlines() if line.startswith("python3 -m venv"))
    for command in (first, second):
        assert command.startswith("python3 -m venv .venv && .venv/bin/pip install ")
    assert first.endswith(
        ".venv/bin/vperf estimate --model Qwen/Qwen3-4B-Instruct-2507 --gpu rtx-pro-6000"
    )
    assert second.endswith(".venv/bin/pytest")


def test_the_config_that_docs_show_is_the_one_that_they_run() -> None:
    page = (DOCS / "ci.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"^```toml\n(.*?)```$", page, re.MULTILINE | re.DOTALL)
    assert shown == (DOCS / "examples" / "vperf.toml").read_text(encoding="utf-8")


def test_what_agents_are_told_to_configure_is_json() -> None:
    page = (DOCS / "mcp.md").read_text("utf-8")
    (config,) = re.findall(r"^```json\n(.*?)```$", page, re.MULTILINE | re.DOTALL)
    assert json.loads(config)["mcpServers"]["vperf"]["args"] == ["mcp"]


def test_writing_anew_changes_nothing_but_what_is_printed() -> None:
    page = DOCS / "json.md"
    assert rewritten(page) == page.read_text("utf-8")


def test_the_citation_and_the_changelog_name_this_version() -> None:
    assert f"version: {__version__}\n" in (ROOT / "CITATION.cff").read_text("utf-8")
    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text("utf-8")

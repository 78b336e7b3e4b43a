"""Markdown, HTML, CSV and JSON hold what the screen holds, and take no data for markup."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from io import StringIO
from typing import Any

import pytest

from vperf.answer import Speculative
from vperf.report import html, markdown, to_csv, to_json
from vperf.report.columns import is_number
from vperf.report.document import Bullets, Facts, Headline, Prose, Table, plain, shown, words_of
from vperf.report.estimate import page
from vperf.report.forms import of_estimate

from .answers import SCREENS
from .example import EXAMPLE, example
from .test_screen import EVIL, squeezed


def said(name: str) -> list[str]:
    """Every text and number of the whole form of a screen."""
    found = []
    for block in shown(SCREENS[name](""), full=True):
        if isinstance(block, Headline | Prose):
            found.append(plain(block.text))
        elif isinstance(block, Bullets):
            found += map(plain, block.items)
        elif isinstance(block, Facts):
            found += (plain(text).strip() for _, text in block.rows)
        elif isinstance(block, Table):
            for row in block.rows:
                cells = zip(block.columns, row.cells, strict=True)
                found += (words_of(cell) for column, cell in cells if is_number(column))
    return found


class Words(HTMLParser):
    """The text of a page, and its tags."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text, self.tags = "", set[str]()
        self.feed(page)

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.add(tag)


@pytest.mark.parametrize("name", SCREENS)
def test_markdown_holds_the_words_and_numbers_of_the_screen(name: str) -> None:
    text = squeezed(unescape(markdown.render(SCREENS[name](""))).replace("\\", ""))
    for words in said(name):
        assert squeezed(words) in text


@pytest.mark.parametrize("name", SCREENS)
def test_html_holds_the_words_and_numbers_of_the_screen(name: str) -> None:
    text = squeezed(Words(html.render(SCREENS[name](""), full=True)).text)
    for words in said(name):
        assert squeezed(words) in text


@pytest.mark.parametrize("name", SCREENS)
def test_tables_of_markdown_have_as_many_cells_in_every_row(name: str) -> None:
    for table in re.findall(r"(?:^\|.*\n)+", markdown.render(SCREENS[name](EVIL)), re.MULTILINE):
        counts = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(counts) == 1, table


@pytest.mark.parametrize("name", SCREENS)
def test_data_is_no_markup_in_markdown_and_html(name: str) -> None:
    hostile = "a<script>x</script>|`@all\x1b[31m\u202e"
    text = markdown.render(SCREENS[name](hostile))
    outside = re.sub(r"```sh\n.*?```", "", text, flags=re.DOTALL)
    assert "<script>" not in outside
    assert not re.search(r"(?<!\\)<", outside)
    assert "@all" not in outside
    page = Words(html.render(SCREENS[name](hostile), full=True))
    assert page.tags <= {"div", "p", "b", "span", "table", "thead", "tbody", "tr", "th", "td",
                         "ul", "li", "pre"}  # fmt: skip
    assert not set("\x1b\u202e") & set(text + page.text)


def test_what_does_not_fit_is_red_in_a_notebook() -> None:
    page = html.render(SCREENS["does_not_fit"](""))
    assert '<span style="color:red;font-weight:bold">Does not fit: ' in page


def test_csv_adds_up_to_the_steps() -> None:
    text = "".join(to_csv.lines(of_estimate(EXAMPLE).rows()))
    rows = list(csv.DictReader(StringIO(text)))
    assert [row["phase"] for row in rows] == ["prefill"] * 4 + ["decode"] * 3
    assert rows[3]["name"] == "overhead"
    assert float(rows[3]["expected_s"]) == EXAMPLE.prefill.overhead_s
    assert float(rows[0]["flops"]) == EXAMPLE.prefill.ops[0].flops


def test_csv_takes_no_data_for_a_line() -> None:
    rows: list[dict[str, Any]] = [{"a": 'x\n"y', "b": None}, {"a": True, "b": 0.1}]
    text = "".join(to_csv.lines(rows))
    assert list(csv.reader(StringIO(text))) == [["a", "b"], ['x "y', ""], ["true", "0.1"]]


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("=1+1", "'=1+1"), ("@SUM(1)", "'@SUM(1)"), ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("-2+3", "'-2+3"), ("\t=1", "' =1"), ("-", "-"), ("qwen3-8b", "qwen3-8b"),
        ("a\x1b[31mb", "a?[31mb"), ("a\u202eb\u200bc\x9b", "a?b?c?"),
    ],
)  # fmt: skip
def test_csv_holds_neither_formulas_nor_characters_that_hide(name: str, cell: str) -> None:
    text = "".join(to_csv.lines([{"name": name, "change": -0.5}]))
    assert list(csv.reader(StringIO(text)))[1] == [cell, "-0.5"]


def test_html_holds_no_characters_that_hide() -> None:
    page = html.render([Prose("a\u202eb\u200bc\x9b\x00<script>")])
    assert "a?b?c??&lt;script&gt;" in page


def test_json_refuses_nan() -> None:
    with pytest.raises(ValueError, match="Out of range"):
        to_json.dump({"x": float("nan")})


def test_json_escapes_what_a_terminal_would_obey() -> None:
    assert not {"\x1b", "\x9b"} & set(to_json.dump({"x": EVIL}))


@pytest.mark.parametrize("rows", [[], [{"a": 1}], [{"a": 1}, {"a": 2}]])
def test_json_whose_rows_come_late_is_the_same_object(rows: list[dict[str, int]]) -> None:
    pairs = [("schema", "x"), ("rows", iter(rows)), ("notes", ["n"])]
    assert json.loads("".join(to_json.parts(pairs))) == {
        "schema": "x",
        "rows": rows,
        "notes": ["n"],
    }


def test_rows_of_json_are_written_as_they_come() -> None:
    written: list[int] = []

    def rows() -> Any:
        for n in range(3):
            written.append(n)
            yield {"n": n}

    parts = to_json.parts([("rows", rows())])
    while not written:
        next(parts)
    assert written == [0]
    assert "".join(parts).count("\n") == 4


def test_the_answer_as_data_is_its_own() -> None:
    assert of_estimate(EXAMPLE).data() == EXAMPLE.to_dict()


def test_a_hostile_id_is_never_offered_to_a_shell() -> None:
    first, *_ = page.verify(example(model={"id": "a/$(rm -rf ~);b"})).commands
    assert first == ("vllm serve", "'a/$(rm -rf ~);b'")
    assert page.verify(example(model={"id": "a/b\nrm"})).commands == ()
    assert page.verify(example(model={"source": "local"})).commands == ()


def test_the_command_that_verifies_asks_for_the_same_gpus_and_drafts() -> None:
    many = {"tensor_parallel": 4, "data_parallel": 2, "expert_parallel": 8, "pipeline_parallel": 2}
    drafts = Speculative("mtp", 3, 0.8, 2.95, 0.2, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, verified_tokens=4)

    def words(drafts: Speculative | None = None, **workload: Any) -> str:
        asked = replace(example(workload=workload), speculative=drafts)
        commands = page.verify(asked).commands
        return " ".join(word for command in commands for word in command)

    serve = words(drafts, **many)
    for option in (
        "--tensor-parallel-size 4",
        "--data-parallel-size 2",
        "--pipeline-parallel-size 2",
        "--enable-expert-parallel",
        """--speculative-config '{"method": "mtp", "num_speculative_tokens": 3}'""",
    ):
        assert option in serve
    serve = words(drafts, **many, engine="sglang")
    for option in ("--tp-size 8", "--dp-size 2 --enable-dp-attention", "--ep-size 8",
                   "--speculative-num-draft-tokens 4"):  # fmt: skip
        assert option in serve
    assert "parallel" not in words()

"""Every screen at every width: whole numbers, no line too wide, no escape from data; and how it
looks at 80 and 120 columns, which is kept in screens/.

    python -m tests.report.test_screen      writes those anew
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from rich.cells import cell_len

from vperf.report.columns import is_number
from vperf.report.document import (
    Bar,
    Block,
    Bullets,
    Column,
    Facts,
    Headline,
    Plot,
    Prose,
    Range,
    Row,
    Shell,
    Span,
    Table,
    plain,
    shown,
    words_of,
)
from vperf.report.format import ASCII, clean
from vperf.report.screen import Look, parts, render

from .answers import SCREENS

HERE = Path(__file__).parent / "screens"
EVIL = "evil\x1b[31m\x07/[bold]na\u202eme\n\x9b2J[/bold]`|<b>:smile:"
SGR = re.compile(r"\x1b\[[0-9;]*m")
WIDTHS = (40, 43, 46, 49, 55, 61, 72, 80, 100, 120, 141, 200)
SHORT_WIDTHS = (40, 52, 64, 80, 120)


@cache
def drawn(name: str, width: int, full: bool) -> str:
    return render(SCREENS[name](""), Look(width, full))


def squeezed(text: str) -> str:
    """Without spaces and line ends: where a text wraps is of no account."""
    return re.sub(r"\s", "", text)


def commands(document: Iterator[Block]) -> set[str]:
    return {word for block in document if isinstance(block, Shell)
            for command in block.commands for word in command}  # fmt: skip


@pytest.mark.parametrize("name", SCREENS)
def test_no_line_is_wider_than_the_screen(name: str) -> None:
    for full, widths in ((True, WIDTHS), (False, SHORT_WIDTHS)):
        whole = commands(shown(SCREENS[name](""), full=full))
        for width in widths:
            for line in drawn(name, width, full).splitlines():
                copied = any(word in line for word in whole if len(word) > width - 6)
                assert cell_len(line) <= width or copied, (width, line)


@pytest.mark.parametrize("name", SCREENS)
def test_no_number_is_cut_at_any_width(name: str) -> None:
    make = SCREENS[name]
    for width in WIDTHS:
        text = drawn(name, width, True)
        whole = squeezed(text)
        for block in shown(make(""), full=True):
            if isinstance(block, Headline | Prose):
                assert squeezed(plain(block.text)) in whole
            elif isinstance(block, Bullets):
                assert all(squeezed(plain(item)) in whole for item in block.items)
            elif isinstance(block, Facts):
                assert all(squeezed(plain(text)) in whole for _, text in block.rows)
            elif isinstance(block, Table):
                for row in block.rows:
                    for column, cell in zip(block.columns, row.cells, strict=True):
                        if is_number(column) and column.rank == 0:
                            assert words_of(cell) in text, (width, words_of(cell))


@pytest.mark.parametrize("name", SCREENS)
@pytest.mark.parametrize("styles", ["none", "plain", "color"])
def test_data_drives_no_terminal_and_is_no_markup(name: str, styles: str) -> None:
    text = render(SCREENS[name](EVIL), Look(120, styles=styles))  # type: ignore[arg-type]
    assert not set("\x1b\x07\u202e\x9b") & set(SGR.sub("", text))
    if styles == "none":
        assert "\x1b" not in text
    said = {w for b in shown(SCREENS[name](EVIL), full=True) for w in _texts(b) if "[bold]" in w}
    for words in said:
        assert squeezed(clean(words))[:40] in squeezed(SGR.sub("", text))


def _texts(block: Block) -> Iterator[str]:
    if isinstance(block, Headline | Prose):
        yield plain(block.text)
    elif isinstance(block, Bullets):
        yield from map(plain, block.items)


@pytest.mark.parametrize("name", SCREENS)
def test_colours_are_of_the_16_and_never_bright_black(name: str) -> None:
    text = render(SCREENS[name](""), Look(120, styles="color"))
    codes = {code for sgr in re.findall(r"\x1b\[([0-9;]*)m", text) for code in sgr.split(";")}
    allowed = {"", "0", "1", "2", "7", *map(str, range(30, 38)), *map(str, range(40, 48)),
               *map(str, range(91, 98))}  # fmt: skip
    assert codes <= allowed
    assert SGR.sub("", text) == render(SCREENS[name](""), Look(120))


@pytest.mark.parametrize("name", SCREENS)
def test_plain_styles_have_no_colour(name: str) -> None:
    text = render(SCREENS[name](""), Look(80, styles="plain"))
    assert set(re.findall(r"\x1b\[([0-9;]*)m", text)) <= {"0", "1", "2", "1;2", "2;1", "1;7"}


@pytest.mark.parametrize("name", SCREENS)
@pytest.mark.parametrize("width", [50, 80, 140])
def test_ascii_is_ascii(name: str, width: int) -> None:
    assert render(SCREENS[name](""), Look(width, ascii=True)).isascii()


SHORT = (
    "estimate", "does_not_fit", "saturated", "napkin", "check", "compare", "fit", "fits",
    "roofline",
)  # fmt: skip


@pytest.mark.parametrize("name", SHORT)
def test_the_short_form_fits_80_by_24(name: str) -> None:
    make = SCREENS[name]
    blocks = [b for b in shown(make(""), full=False)
              if not (isinstance(b, Table) and "op by op" in b.title)]  # fmt: skip
    lines = render(blocks, Look(80, full=False)).splitlines()
    # The hand-made check has a baseline too: a table of its own, of six lines.
    assert len(lines) <= (28 if name == "check" else 22), "\n".join(lines)


@pytest.mark.parametrize("name", SCREENS)
def test_the_answer_is_line_1_of_both_forms(name: str) -> None:
    first, *_ = shown(SCREENS[name](""), full=True)
    assert isinstance(first, Headline)
    for full in (True, False):
        line = render(SCREENS[name](""), Look(200, full)).splitlines()[0]
        assert line.strip() == plain(first.text).strip()[:100].rpartition(" ")[0] or (
            line.strip() == plain(first.text).strip()
        )


def kept(name: str, width: int) -> str:
    short, full = (render(SCREENS[name](""), Look(width, full)) for full in (False, True))
    return f"{short}\n{'=' * 20} -v {'=' * 20}\n\n{full}"


@pytest.mark.parametrize("name", SCREENS)
@pytest.mark.parametrize("width", [80, 120])
def test_the_screen_looks_as_it_is_kept(name: str, width: int) -> None:
    assert kept(name, width) == (HERE / f"{name}-{width}.txt").read_text(encoding="utf-8")


# What a table does --------------------------------------------------------------------------------

COLUMNS = (Column("name"), Column("time", "time"), Column("rate", "rate", 1), Column("", "bar", 5))


def table(*rows: tuple[str, str, str], columns: tuple[Column, ...] = COLUMNS) -> Table:
    return Table(columns, [Row((*cells, Bar(((0.5, "good"),)))) for cells in rows])


def test_numbers_stand_at_the_right_and_words_at_the_left() -> None:
    text = render([table(("a", "1 s", "20"), ("模型", "10 s", "3"))], Look(24))
    assert text.splitlines() == [
        "name: a", "time: 1 s", "rate: 20", "", "name: 模型", "time: 10 s", "rate: 3"
    ]  # fmt: skip
    lines = render([table(("a", "1 s", "20"), ("模型", "10 s", "3"))], Look(80)).splitlines()
    assert lines[0].startswith("name  time  rate")
    assert lines[2].startswith("a      1 s    20  █")
    assert lines[3].startswith("模型  10 s     3  █")


def test_the_bar_goes_first_and_what_else_went_is_named() -> None:
    wide = ("n" * 40, "1" * 12, "2" * 12)
    text = render([table(wide)], Look(60))
    assert "█" not in text
    assert text.splitlines()[-1].startswith("not shown at 60 columns: rate")


def test_a_long_name_folds_beside_whole_numbers() -> None:
    columns = (Column("name"), Column("a", "time"), Column("b", "time"), Column("", "bar", 5))
    text = render([table(("x" * 70, "1.23 ms", "4.56 ms"), columns=columns)], Look(60))
    assert max(map(len, text.splitlines())) <= 60
    assert text.count("x") == 70
    assert "1.23 ms  4.56 ms" in text


def test_a_long_table_is_written_while_its_rows_come() -> None:
    seen = 0

    def rows() -> Iterator[Row]:
        nonlocal seen
        for seen in range(1, 1001):
            yield Row((f"row {seen}", f"{seen:,} s", "1", ""))

    written = parts([Table(COLUMNS, rows())], Look(80))
    first = next(written)
    assert seen < 300
    text = first + "".join(written)
    assert text.count("name") == 1
    assert "1,000 s" in text
    assert len(text.splitlines()) == 1002


def test_a_list_ends_where_the_short_form_does_and_says_so() -> None:
    rows = [Row((f"row {n}", "1 s", "2", "")) for n in range(30)]
    block = Table(COLUMNS, rows, short=20)
    assert "10 more: --all" in render([block], Look(80, full=False))
    assert "row 29" in render([block], Look(80))


def test_details_are_in_the_full_form_alone() -> None:
    block = Table(COLUMNS, [Row(("a", "1 s", "2", "")), Row(("b", "1 s", "2", ""), detail=True)])
    assert "\nb" not in render([block], Look(80, full=False))
    assert "\nb" in render([block], Look(80))


def test_a_bar_starts_where_the_one_before_it_ends_and_a_range_has_its_middle() -> None:
    columns = (Column("a"), Column("", "bar", width=10))
    rows = [Row(("x", Bar(((0.5, ""),)))), Row(("y", Bar(((0.5, ""),), start=0.5))),
            Row(("z", Range(0.2, 0.5, 0.8)))]  # fmt: skip
    lines = render([Table(columns, rows)], Look(60, ascii=True)).splitlines()[-3:]
    cells = len(lines[2]) - 3
    assert lines[0] == f"x  {'#' * (cells // 2)}"
    assert lines[1] == f"y  {' ' * (cells // 2)}{'#' * (cells // 2)}"
    assert lines[2].count("o") == 1
    assert lines[2][3 + cells // 2] == "o"


def test_parts_of_a_bar_are_told_apart_without_colour() -> None:
    text = render([Prose((Bar(((0.5, ""), (0.01, ""), (0.2, ""))), " there"))], Look(80))
    assert text == "██████████▓▒▒▒▒····· there\n"


def test_no_line_ends_between_a_number_and_its_unit() -> None:
    for width in range(40, 60):
        text = render([Prose("a word or two and 12.3 ms of a time, 4.5 GiB " * 3)], Look(width))
        assert not re.search(r"\d\n(ms|GiB)", text)


def test_a_command_stays_whole_on_any_screen() -> None:
    word = '--speculative-config \'{"method": "mtp", "num_speculative_tokens": 3}\''
    text = render([Shell("Run:", (("vllm serve", word),))], Look(40))
    assert word in text


def test_a_plot_asks_for_80_columns() -> None:
    plot = next(b for b in SCREENS["roofline"]("") if isinstance(b, Plot))
    assert "-o FILE.svg" in render([plot], Look(60))
    assert "FLOP/byte" in render([plot], Look(80))


def test_glyphs_in_ascii_are_words_or_signs() -> None:
    text = render([Prose("✗ 3 µs · → ✓ ▲")], Look(80, ascii=True))
    assert text == "x 3 us - -> + ^\n"
    assert "µ".translate(ASCII) == "u"


def test_a_span_of_a_cell_wins_over_the_kind_of_its_column() -> None:
    columns = (Column("bound", "bound"),)
    rows = [Row(("memory",)), Row((Span("memory", "bad"),))]
    text = render([Table(columns, rows)], Look(80, styles="color"))
    assert "\x1b[36mmemory" in text
    assert "\x1b[1;31mmemory" in text


if __name__ == "__main__":
    HERE.mkdir(exist_ok=True)
    for screen in SCREENS:
        for columns_ in (80, 120):
            (HERE / f"{screen}-{columns_}.txt").write_text(kept(screen, columns_), "utf-8")

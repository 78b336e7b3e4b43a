"""Charts as files: each suffix is what it says, in both themes, and follows its reader."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from vperf.errors import InputError, VperfError
from vperf.report import chart_file
from vperf.report.chart import Axis, Chart, Mark, Series
from vperf.report.chart_file import SUFFIXES, write_chart

from .charts import NAMES, lines, points

LIGHT, DARK = "#ffffff", "#0d1117"


@pytest.fixture
def _matplotlib() -> None:
    pytest.importorskip("matplotlib")


def svg(path: Path, chart: Chart, theme: str = "light") -> str:
    write_chart(chart, path / "plot.svg", theme)
    return (path / "plot.svg").read_text(encoding="utf-8")


def texts(drawn: str) -> list[str]:
    names = {"{http://www.w3.org/2000/svg}text", "{http://www.w3.org/2000/svg}tspan"}
    return ["".join(e.itertext()).strip() for e in ET.fromstring(drawn).iter() if e.tag in names]


def luminance(color: str) -> float:
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.usefixtures("_matplotlib")
def test_an_svg_holds_its_words_as_text(tmp_path: Path) -> None:
    found = texts(svg(tmp_path, lines(5)))
    for text in (*NAMES[:5], "batch size (sequences)", "decode throughput (tok/s)", "target",
                 "compute-bound from 64", "limit", "expected", "measured", "1k"):  # fmt: skip
        assert text in found


@pytest.mark.usefixtures("_matplotlib")
def test_the_same_chart_is_the_same_file(tmp_path: Path) -> None:
    assert svg(tmp_path, lines(2)) == svg(tmp_path, lines(2))


@pytest.mark.usefixtures("_matplotlib")
@pytest.mark.parametrize(("theme", "paper"), [("dark", DARK), ("auto", LIGHT)])
def test_a_png_is_one_on_its_own_paper(tmp_path: Path, theme: str, paper: str) -> None:
    from matplotlib.image import imread  # noqa: PLC0415

    write_chart(lines(1), tmp_path / "plot.png", theme)
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    pixel = imread(tmp_path / "plot.png")[0, 0]
    assert "#" + "".join(f"{round(float(part) * 255):02x}" for part in pixel[:3]) == paper


@pytest.mark.usefixtures("_matplotlib")
def test_auto_turns_every_colour_of_the_light_svg_dark(tmp_path: Path) -> None:
    drawn = svg(tmp_path, lines(6), "auto")
    style, rest = re.findall(r"<style>(@media.*?)</style>(.*)", drawn, re.DOTALL)[0]
    assert style.startswith("@media (prefers-color-scheme: dark)")
    for what, color in set(re.findall(r"(fill|stroke): (#[0-9a-f]{6})", rest)):
        assert f'[style*="{what}: {color}"]' in style


@pytest.mark.usefixtures("_matplotlib")
def test_a_theme_that_is_asked_for_does_not_follow(tmp_path: Path) -> None:
    assert "prefers-color-scheme" not in svg(tmp_path, lines(1), "light")
    assert DARK in svg(tmp_path, lines(1), "dark")


@pytest.mark.usefixtures("_matplotlib")
@pytest.mark.parametrize("theme", ["light", "auto"])
def test_html_is_a_page_of_its_own_with_the_svg_in_it(tmp_path: Path, theme: str) -> None:
    write_chart(lines(5), tmp_path / "plot.html", theme)
    page = (tmp_path / "plot.html").read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    ET.fromstring(page[page.index("<svg") : page.index("</body>")])
    assert ("prefers-color-scheme" in page) == (theme == "auto")
    assert not re.search(r'(?:src|href)="http', page.replace("http://www.w3.org", ""))


@pytest.mark.usefixtures("_matplotlib")
def test_names_are_text_and_never_markup_or_mathematics(tmp_path: Path) -> None:
    name = "<script>$x^2$</script>&_"
    chart = Chart(name, Axis("_x"), Axis("y"), (Series(name, ((1.0, 1.0), (2.0, 2.0))),),
                  (Mark("x", 1.5, name),), key=((name, "a", "_hidden"),))  # fmt: skip
    write_chart(chart, tmp_path / "plot.html")
    assert "<script" not in (tmp_path / "plot.html").read_text(encoding="utf-8")
    assert texts(svg(tmp_path, chart)).count(name) == 3


@pytest.mark.usefixtures("_matplotlib")
def test_points_of_one_place_share_a_label_and_the_key_explains_them(tmp_path: Path) -> None:
    found = texts(svg(tmp_path, points()))
    assert "abc" in found
    assert "d  decode experts" in found


@pytest.mark.parametrize("palette", [chart_file._LIGHT, chart_file._DARK])
def test_every_colour_stands_out_from_its_paper(palette: chart_file._Palette) -> None:
    paper = luminance(palette.paper)
    for color in (palette.ink, *palette.hues):
        light, dark = sorted((luminance(color), paper), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5


@pytest.mark.parametrize("palette", [chart_file._LIGHT, chart_file._DARK])
def test_no_colour_occurs_twice(palette: chart_file._Palette) -> None:
    colors = (palette.paper, palette.ink, palette.faint, *palette.hues)
    assert len(set(colors)) == len(colors)


@pytest.mark.parametrize("name", ["plot.pdf", "plot", "plot.svgz", ".svg"])
def test_another_suffix_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="which kind of plot") as refused:
        write_chart(lines(1), tmp_path / name)
    assert all(suffix in refused.value.hint for suffix in SUFFIXES)


def test_another_theme_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'blue' is not light, dark or auto"):
        write_chart(lines(1), tmp_path / "plot.svg", "blue")


def test_without_matplotlib_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chart_file, "find_spec", lambda _: None)
    with pytest.raises(VperfError, match="matplotlib") as missing:
        write_chart(lines(1), tmp_path / "plot.svg")
    assert missing.value.hint.endswith(" -m pip install matplotlib")


@pytest.mark.usefixtures("_matplotlib")
def test_a_path_that_cannot_be_written_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot write"):
        write_chart(lines(1), tmp_path / "nowhere" / "plot.svg")

"""A graded result as JUnit XML, GitHub annotations, Markdown and CSV."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import pytest

import vperf
from tests.checks.results import result
from vperf import Bars, Check
from vperf.checks.baseline import Change, Drift
from vperf.checks.check import apply_thresholds
from vperf.report import check, check_csv, check_markdown, github, junit

GOOD = vperf.check(result(tpot_s=0.0103, ttft_s=0.062), bars=Bars(min_efficiency=0.7))
SLOW = vperf.check(result(tpot_s=0.03, ttft_s=0.062), bars=Bars(min_efficiency=0.7, max_ttft_s=0.1))
IMPOSSIBLE = vperf.check(result(tpot_s=0.002))
UNJUDGED = vperf.check(result(tpot_s=0.0103))
CHECKS = [("good.json", GOOD), ("a & <b>", SLOW), ("c", IMPOSSIBLE), ("d", UNJUDGED)]

# Elements of junit-10.xsd, with their attributes and children in order.
_XSD: dict[str, tuple[set[str], list[str]]] = {
    "testsuites": (
        {"name", "time", "tests", "failures", "disabled", "errors"},
        ["testsuite"],
    ),
    "testsuite": (
        {"name", "tests", "failures", "errors", "group", "time", "skipped", "timestamp", "hostname",
         "id", "package", "file", "log", "url", "version"},
        ["properties", "testcase", "system-out", "system-err"],
    ),
    "properties": (set(), ["property"]),
    "property": ({"name", "value"}, []),
    "testcase": (
        {"name", "assertions", "time", "classname", "status", "class", "file", "line", "score"},
        ["skipped", "error", "failure", "system-out", "system-err"],
    ),
    "failure": ({"type", "message"}, []),
    "system-out": (set(), []),
}  # fmt: skip


def _valid(element: ElementTree.Element) -> None:
    attributes, children = _XSD[element.tag]
    assert set(element.keys()) <= attributes
    if element.tag in ("testsuite", "testcase"):
        assert element.get("name")
    order = [children.index(child.tag) for child in element]
    assert order == sorted(order)
    for child in element:
        _valid(child)


def test_junit_is_what_its_readers_read() -> None:
    root = ElementTree.fromstring(junit.render(CHECKS))
    assert root.tag == "testsuites"
    _valid(root)
    for suite in root:
        cases = suite.findall("testcase")
        assert suite.get("tests") == str(len(cases))
        assert suite.get("failures") == str(len(suite.findall("testcase/failure")))
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("5", "1", "0")


def test_junit_has_a_case_a_bar_and_the_verdict_without_any() -> None:
    root = ElementTree.fromstring(junit.render(CHECKS))
    names = [[case.get("name") for case in suite.iter("testcase")] for suite in root]
    assert names == [
        ["--min-efficiency 0.7"], ["--min-efficiency 0.7", "--max-ttft 100 ms"], ["verdict"],
        ["verdict"],
    ]  # fmt: skip


def test_junit_fails_with_the_line_of_the_screen() -> None:
    root = ElementTree.fromstring(junit.render(CHECKS))
    (failure,) = root.iter("failure")
    assert failure.get("message") == check.render(SLOW, width=200).splitlines()[0]
    assert failure.text
    assert failure.text.startswith("33.3 tok/s is ")


def test_junit_of_a_hostile_name_is_xml() -> None:
    ElementTree.fromstring(junit.render([("\x00\x1b]0;x\x07\ud800\ufffe&<'\"", SLOW)]))


def test_annotations_are_an_error_a_warning_and_one_notice() -> None:
    lines = github.commands(CHECKS).splitlines()
    assert [line.split(" ")[0] for line in lines] == ["::error", "::warning", "::notice"]
    assert (
        lines[-1]
        == "::notice title=vperf check::2 results: 2 good; 1 held against bars, none failed."
    )
    (notice,) = github.commands(CHECKS[:1]).splitlines()
    assert notice.startswith("::notice title=vperf check%3A good.json::97.1 tok/s is ")


def test_an_impossible_result_is_explained_by_no_part_of_its_time() -> None:
    assert "%0ALikely: " in github.commands(CHECKS[2:3])
    far = vperf.check(result(tpot_s=1e-4))
    assert far.reasons == ()
    assert "Largest above the limit" not in github.commands([("far", far)])


def test_annotations_escape_what_the_runner_takes_for_syntax() -> None:
    hostile = replace(SLOW, source="a%b,c:d.json")
    (line,) = github.commands([("50%,x:\r\n::error::y", hostile)]).splitlines()
    head, _, message = line.removeprefix("::error ").partition("::")
    assert head == "file=a%25b%2Cc%3Ad.json,title=vperf check%3A 50%25%2Cx%3A  %3A%3Aerror%3A%3Ay"
    assert not re.search("%(?!25|0A|0D)", message)
    assert "%0A33.3 tok/s is " in message


def test_an_annotation_names_the_file_as_the_repository_has_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path))
    inside = replace(SLOW, source=str(tmp_path / "results" / "a.json"))
    assert "file=results/a.json," in github.commands([("a", inside)])
    assert "file=/elsewhere/a.json," in github.commands(
        [("a", replace(SLOW, source="/elsewhere/a.json"))]
    )
    assert "file=" not in github.commands([("a", replace(SLOW, source="-"))])


def test_outputs_of_a_step_are_whether_it_passed_and_the_lowest_efficiency() -> None:
    lowest = SLOW.main.of_expected
    assert github.outputs(CHECKS) == f"passed=false\nefficiency={lowest:.4f}\n"
    assert github.outputs(CHECKS[:1]).startswith("passed=true\n")
    assert github.outputs(CHECKS[3:]).startswith("passed=\n")


def test_markdown_of_one_result_says_what_the_screen_says() -> None:
    text = check_markdown.render(CHECKS[1:2])
    screen = check.render(SLOW, width=500)
    assert text.startswith("**Fails --min-efficiency 0.7: ")
    plain = text.replace("\\", "").replace("**", "")
    for line in ("No fault that vperf predicts", "Suspects", "To go faster, as vperf predicts"):
        assert (line in screen) == (line in plain)
    for assumption in SLOW.estimate.assumptions:
        assert assumption in plain
    for line in text.splitlines():
        if line.startswith("|"):
            assert line.endswith("|")


def test_markdown_of_several_shows_those_in_full_that_are_not_good() -> None:
    text = check_markdown.render(CHECKS)
    assert text.startswith("**1 of 2 results failed the bars: 1 impossible, 2 good, 1 slow.**")
    assert re.findall(r"<summary>(.*)</summary>", text) == ["a &amp; \\<b\\>", "c"]
    assert text.count("<details>") == text.count("</details>") == 2


def test_the_csv_has_a_row_a_figure() -> None:
    rows = list(csv.DictReader(io.StringIO(check_csv.render([GOOD, SLOW]))))
    assert [row["metric"] for row in rows] == [m.name for c in (GOOD, SLOW) for m in c.metrics]
    assert float(rows[0]["measured"]) == 0.0103
    assert rows[0]["before"] == ""
    compared = list(csv.DictReader(io.StringIO(check_csv.render([_drifted(GOOD)]))))
    assert (compared[0]["before"], compared[0]["faster"]) == ("0.01", "-0.06")


def _drifted(of: Check, slack: float = 0.0) -> Check:
    change = Change("tpot_s", 0.01, 0.0103, -0.06, slack, 0.99, of.main.of_expected)
    return replace(of, drift=Drift("before.json", "0.0.1", (change,)))


def test_every_form_has_the_baseline() -> None:
    compare_to_baseline = _drifted(GOOD)
    for text in (
        check.render(compare_to_baseline),
        check.render_all([("a", compare_to_baseline), ("b", GOOD)]),
        check_markdown.render([("a", compare_to_baseline)]),
    ):
        assert "Against the baseline" in text
        assert "-6.0 %" in text
    for line in check.render(compare_to_baseline).splitlines():
        assert len(line) <= 80


def test_a_missed_drift_says_what_the_spread_allows() -> None:
    failed = apply_thresholds(_drifted(GOOD, slack=0.004), Bars(max_drift=0.05))
    assert " ".join(check.render(failed).splitlines()[:2]) == (
        "Fails --max-drift 5%: TPOT is 6.0 % slower than the baseline "
        "(0.4 % allowed for the spread of repeats)."
    )

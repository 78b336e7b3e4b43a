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
from vperf.report import github, junit, markdown, to_csv
from vperf.report.check import page, sentences

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
    assert failure.get("message") == sentences.bar_line(sentences.missed(SLOW)[0])
    assert failure.text
    assert failure.text.startswith("FAIL SLOW: 33.3 tok/s is ")


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
    assert notice.startswith("::notice title=vperf check%3A good.json::PASS GOOD: 97.1 tok/s is ")


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
    assert "%0AFAIL SLOW: 33.3 tok/s is " in message


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


def _markdown(*named: tuple[str, Check]) -> str:
    alone = len(named) == 1
    return markdown.render(page.report(named, alone=alone).document())


def test_markdown_of_one_result_starts_with_its_verdict_and_its_bars() -> None:
    lines = _markdown(CHECKS[1]).splitlines()
    assert lines[0].startswith("**FAIL  SLOW: 33.3 tok/s is ")
    assert any(line.startswith("-   \N{BALLOT X} --min-efficiency 0.7: 0.") for line in lines)
    assert any(line.startswith("-   \N{CHECK MARK} --max-ttft 100 ms: TTFT") for line in lines)


def test_markdown_of_several_says_why_those_are_poor_that_are_not_good() -> None:
    text = _markdown(*CHECKS)
    assert text.startswith("**1 of 2 results failed the bars: 1 impossible, 2 good, 1 slow.**")
    for title, shown in (("a &amp; \\<b\\>", True), ("c", True), ("good.json", False)):
        assert (f"**{title}**" in text) == shown


def test_the_csv_has_a_row_a_figure() -> None:
    def rows(*named: tuple[str, Check]) -> list[dict[str, str]]:
        text = "".join(to_csv.lines(page.report(named).rows()))
        return list(csv.DictReader(io.StringIO(text)))

    found = rows(("a", GOOD), ("b", SLOW))
    assert [row["metric"] for row in found] == [m.name for c in (GOOD, SLOW) for m in c.metrics]
    assert float(found[0]["measured"]) == 0.0103
    assert found[0]["before"] == ""
    compared = rows(("a", _drifted(GOOD)))
    assert (compared[0]["before"], compared[0]["faster"]) == ("0.01", "-0.06")


def _drifted(of: Check, slack: float = 0.0) -> Check:
    change = Change("tpot_s", 0.01, 0.0103, -0.06, slack, 0.99, of.main.of_expected)
    return replace(of, drift=Drift("before.json", "0.0.1", (change,)))


def test_every_form_has_the_baseline() -> None:
    drifted = _drifted(GOOD)
    for text in (_markdown(("a", drifted)), _markdown(("a", drifted), ("b", GOOD))):
        assert "Against the baseline" in text
        assert "-6.0%" in text


def test_a_missed_drift_says_what_the_spread_allows() -> None:
    (bar,) = apply_thresholds(_drifted(GOOD, slack=0.004), Bars(max_drift=0.05)).bars
    assert sentences.bar_line(bar) == (
        "Fails --max-drift 5%: TPOT is 6.0% slower than the baseline "
        "(0.4% allowed for the spread of repeats)."
    )

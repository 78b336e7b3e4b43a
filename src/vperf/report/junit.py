"""Graded results as JUnit XML, which GitLab, Jenkins and GitHub reporters read.

A suite a result, a case a bar; without bars one case, the verdict, which fails nowhere. Elements
and attributes are those of the Jenkins xUnit plugin's junit-10.xsd (looked up 2026-11-23), in its
order. Not here: the sentences (check.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from vperf.checks.check import Check
from vperf.errors import VperfError
from vperf.report.check import sentences
from vperf.report.format import clean

if TYPE_CHECKING:
    from vperf.checks.thresholds import Threshold


def render(
    checks: Sequence[tuple[str, Check]], errors: Sequence[tuple[str, VperfError]] = ()
) -> str:
    """The whole file; every result by name, then what could not be graded."""
    root = ElementTree.Element("testsuites", name="vperf check")
    for name, check in checks:
        root.append(_suite(clean(name), check))
    for name, error in errors:
        root.append(_error(clean(name), error))
    for count in ("tests", "failures", "errors"):
        root.set(count, str(sum(int(suite.get(count, "0")) for suite in root)))
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _suite(name: str, check: Check) -> ElementTree.Element:
    failures = sum(not bar.passed for bar in check.bars)
    suite = ElementTree.Element(
        "testsuite", name=name, tests=str(max(1, len(check.bars))), failures=str(failures),
        errors="0", skipped="0", time="0",
    )  # fmt: skip
    properties = ElementTree.SubElement(suite, "properties")
    facts = {
        "verdict": check.verdict,
        "model": check.estimate.model.id,
        "gpu": check.estimate.gpu.id,
        "efficiency": f"{check.main.of_expected:.4f}",
        "of_limit": f"{check.main.of_limit:.4f}",
    }
    for key, value in facts.items():
        ElementTree.SubElement(properties, "property", name=key, value=clean(value))
    if not check.bars:
        case = _case(suite, "verdict", name, check)
        _text(case, "system-out", sentences.line_1(check))
    for bar in check.bars:
        _judged(_case(suite, sentences.bar_option(bar), name, check), bar, check)
    return suite


def _error(name: str, error: VperfError) -> ElementTree.Element:
    """A suite of one case, which could not be run."""
    suite = ElementTree.Element(
        "testsuite", name=name, tests="1", failures="0", errors="1", skipped="0", time="0"
    )
    case = ElementTree.SubElement(
        suite, "testcase", name="graded", classname=_class(name), time="0"
    )
    found = _text(case, "error", sentences.error_line(name, error))
    found.set("message", clean(error.message, 500))
    found.set("type", type(error).__name__)
    return suite


def _class(name: str) -> str:
    # Readers take what stands before the last dot for a package.
    return f"vperf.{name.replace(chr(46), chr(95))}"


def _case(suite: ElementTree.Element, name: str, of: str, check: Check) -> ElementTree.Element:
    case = ElementTree.SubElement(suite, "testcase", name=name, classname=_class(of), time="0")
    if check.source not in ("", "-"):
        case.set("file", clean(check.source))
    return case


def _judged(case: ElementTree.Element, bar: Threshold, check: Check) -> None:
    if bar.passed:
        _text(case, "system-out", sentences.bar_line(bar))
        return
    failure = _text(case, "failure", "\n".join(sentences.why(check)))
    failure.set("message", sentences.bar_line(bar))
    failure.set("type", bar.name)


def _text(parent: ElementTree.Element, tag: str, text: str) -> ElementTree.Element:
    element = ElementTree.SubElement(parent, tag)
    element.text = text
    return element

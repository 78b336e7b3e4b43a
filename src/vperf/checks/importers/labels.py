"""What tables, summaries and scripts of people's own call a figure: the label -> field and unit.

"Mean TTFT (ms)", "avg_time_to_first_token_s", "Output token throughput: 853 tok/s" and their like.
A time counts where its unit is said, in the label or beside the number. Not here: the layouts
(labelled.py), and the labels of tools that have readers of their own.
"""

from __future__ import annotations

import re
from functools import lru_cache

from vperf.checks.importers.record import number_or_none
from vperf.values import dataclass

_TOKEN_RATES = r"tok(?:en)?s?(?: ?/ ?| per )s(?:ec(?:ond)?s?)?|tok(?:en)?s? s(?:ec)?|t/s|tps"
_REQUEST_RATES = r"req(?:uest)?s?(?: ?/ ?| per )s(?:ec(?:ond)?)?|rps|qps|it/s"
_UNITS: tuple[tuple[str, str, float], ...] = (
    (rf"(?:{_TOKEN_RATES})(?: ?/ ?| per )(?:user|req(?:uest)?|stream|seq(?:uence)?)", "each", 1.0),
    (_TOKEN_RATES + r"|toks/s|gen/s", "rate", 1.0),
    (_REQUEST_RATES, "requests", 1.0),
    (r"ms|msecs?|milliseconds?|ms ?/ ?tok(?:en)?|ms per tok(?:en)?", "time", 1e-3),
    (r"s|secs?|seconds?|s ?/ ?tok(?:en)?|s per tok(?:en)?", "time", 1.0),
    (r"us|[\u00b5\u03bc]s|microseconds?", "time", 1e-6),
    (r"ns|nanoseconds?", "time", 1e-9),
    (r"min|mins|minutes?", "time", 60.0),
    (r"tok(?:en)?s?(?:\(s\))?", "count", 1.0),
)
_UNIT = tuple(
    (re.compile(rf"(?:in )?(?:{pattern})"), kind, scale) for pattern, kind, scale in _UNITS
)
_MEAN = re.compile(r"\b(?:mean|avg|average|averaged|ave)\b")
_STATISTIC = re.compile(
    r"\b(?:p ?(?P<p>\d{1,2}(?:\.\d+)?)|(?P<q>\d{1,2}(?:\.\d+)?) ?(?:%|th)?(?: ?percentile| ?%ile)"
    r"|(?P<q2>\d{1,2}(?:\.\d+)?)%|(?P<median>median|mdn|med)|(?P<max>max(?:imum)?|highest|worst)"
    r"|(?P<other>min(?:imum)?|lowest|best|std ?dev|stddev|std|stdev|variance|peak"
    r"|(?:total )?count))(?=\W|$)"
)
_FIRST = (
    r"(?:time to (?:the )?first (?:output )?token|ttft|first token(?: latency| time)?"
    r"|prefill (?:latency|time))"
)
_EACH = (
    r"(?:time per (?:output )?token|tpot|(?:per |output |decode )?token latency"
    r"|other tokens latency"
    r"|decode latency per token|time between tokens|tbt|latency per (?:output )?token)"
)
_WHOLE = (
    r"(?:(?:end to end|e2e|request|overall|response|query|total request)(?: latency| time)"
    r"|e2el?|lat(?:ency)?)"
)
_SPEED = r"(?:throughput|tput|thrpt|speed|rate)"
_TOKENS = r"tok(?:en)?s?"
_OUT = r"(?:output|generated|generation|gen|completion|decoded|out)"
_WRITTEN = r"(?:output|generated|completion|decoded|out)"
_IN = r"(?:input|prompt|in)"
_SIZE = r"(?: ?(?:len(?:gth)?|size|tokens?|token count|sequence length|seq(?:uence)? len|count))"
_OF_ONE = r"(?: per (?:request|prompt|req))?"
_NUMBER_OF = r"(?:total |num(?:ber)?(?: of)? |n |# ?)?"
_NAMES: tuple[tuple[str, str, str], ...] = (
    # The field; the kinds of unit that it may have; what its label is, without statistic and unit.
    ("ttft_s", "time", _FIRST),
    ("tpot_s", "time", _EACH),
    ("itl_s", "time", r"inter ?token(?: latency| delay)?|itl"),
    ("latency_s", "time", _WHOLE),
    ("duration_s", "time", r"(?:benchmark |test |run )?duration|elapsed|time taken for tests"
     r"|(?:total |elapsed |wall |total benchmark )(?:clock )?time|total"),
    ("output_tokens_per_s", "rate",
     rf"(?:(?:total|overall|aggregated?) )?{_WRITTEN}(?: {_TOKENS})?(?: {_SPEED})?"
     rf"|{_TOKENS} {_SPEED}"),
    ("generation_tokens_per_s", "rate", rf"gen(?:eration)?(?: {_TOKENS})?(?: {_SPEED})?"),
    ("decode_tokens_per_s", "rate",
     rf"(?:decode|decoding|eval|tg ?\d*|token generation|tput decode)(?: {_SPEED})?"),
    ("prefill_tokens_per_s", "rate",
     r"(?:prefill|prompt processing|prompt eval|prompt|pp ?\d*|processing|ingestion)"
     rf"(?: {_SPEED})?"),
    ("other rate", "rate",
     rf"(?:total|overall|combined|aggregated?|input)(?: {_TOKENS})?(?: {_SPEED})?"),
    ("each_tokens_per_s", "rate each",
     rf"(?:user|per user|per request)(?: {_TOKENS})?(?: {_SPEED})?"),
    ("each_tokens_per_s", "each", rf"(?:{_TOKENS})?(?: ?{_SPEED})?"),
    ("tokens_per_s", "rate", rf"(?:{_TOKENS} )?{_SPEED}|{_TOKENS}|"),
    ("request_rate", "requests none",
     r"(?:traffic )?(?:request|arrival|target) rate(?: configured)?"),
    ("requests_per_s", "requests", rf"(?:req(?:uest)?s?)?(?: ?{_SPEED})?"),
    ("completed", "none",
     r"(?:number of )?(?:successful|success|succeed(?:ed)?|completed)(?: (?:requests?|reqs?))?"),
    ("requests", "none", rf"{_NUMBER_OF}(?:requests?|reqs?|prompts)|num|n|request count"),
    ("failed", "none", r"(?:number of )?(?:failed|errored?|error)(?: (?:requests?|reqs?))?|errors"),
    ("max_concurrency", "none",
     rf"{_NUMBER_OF}(?:(?:request |user )?concurrenc(?:y|ies)|users)|concur|conc|clients|ccu?|vus"
     r"|concurrent(?: (?:users|requests))?|parallel(?: requests)?|virtual users"),
    ("batch_size", "none", r"batch ?(?:size)?|bs"),
    ("lengths", "none", r"config|workload|scenario|shape|isl ?/ ?osl|in(?:put)? ?/ ?out(?:put)?"),
    ("input_len", "none count",
     rf"isl|input|{_IN}{_SIZE}{_OF_ONE}|(?:number of |num )?input tokens?{_OF_ONE}"
     r"|(?:context|ctx)(?: (?:len(?:gth)?|size))?|sequence length|prompt"),
    ("output_len", "none count",
     rf"osl|output|{_OUT}{_SIZE}{_OF_ONE}|(?:number of |num )?output tokens?{_OF_ONE}|decode length"
     r"|max (?:new )?tokens|genamount|predicted tokens"),
    ("all_input", "none count",
     rf"total (?:num(?:ber of)? )?{_IN}(?: text)? tokens|number of prompt tokens"),
    ("all_output", "none count",
     rf"total (?:num(?:ber of)? )?(?:{_OUT} )?tokens(?: generated)?|number of completion tokens"),
    ("model", "none", r"model(?: (?:name|id|path))?|variant"),
    ("gpu", "none", r"gpu(?:s| name| type| model)?|hardware|device|card|accelerator"
     r"|machine|(?:system )?chip|soc"),
    ("gpus", "none", r"(?:num(?:ber)?(?: of)? |n )gpus|gpu count"),
    ("tp", "none", r"tp(?: size)?|tensor parallel(?:ism)?(?: size)?"),
    ("quantization", "none", r"quant(?:i[sz]ation)?|precision|weights?(?: format)?|dtype"),
    ("engine", "none", r"engine|framework|backend|server|inference engine|runtime|runner"),
)  # fmt: skip
_KNOWN = tuple((re.compile(pattern), kinds.split(), name) for name, kinds, pattern in _NAMES)
_BRACKETS = re.compile(r"[(\[]([^()\[\]]*)[)\]]")
_TEST = re.compile(r"(pp|tg) ?(\d{1,7})?")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_VALUE = re.compile(r"[~\u2248]?[ ]?([+-]?\d[\d.,]*(?:[eE][+-]?\d+)?)[ ]?(.*)")
_OF_TOKENS = {
    "output_tokens_per_s",
    "generation_tokens_per_s",
    "decode_tokens_per_s",
    "prefill_tokens_per_s",
}
_RATES = ("throughput", "speed", "rate")
"""What ends a label that can only be of tokens a second, where no unit is said."""
TEXTS = frozenset({"model", "gpu", "quantization", "engine", "lengths"})
"""Fields whose values are words."""


@dataclass(frozen=True, slots=True)
class Label:
    """What a label says; `scale` to SI is None where it says no unit."""

    field: str
    statistic: str = "mean"
    """mean, p50, p99, max; "none" for the least and for deviations."""
    scale: float | None = None
    length: int | None = None
    """Of the test that it names: 512 of pp512."""


@lru_cache(maxsize=4096)
def label_of(said: str, unit: str = "") -> Label | None:
    """The field of a label, with the unit that stands beside its number; None: it is none known."""
    if len(said) > _LONGEST:
        return None
    kinds, scale = _unit(unit)
    said = said.replace("(per request)", " per request").replace("(per user)", " per user")
    text = _CAMEL.sub(" ", said.strip(" *:`_=.\t\u2190\u2191\u2192\u2193\u25b2\u25bc")).lower()
    for inside in _BRACKETS.findall(text):
        kind, factor = _unit(inside)
        if not kind:  # "Generation Speed (Generation t/s)"
            kind, factor = _unit(inside.rpartition(" ")[2])
        if kind:
            kinds, scale = kind, factor
    text = _BRACKETS.sub(" ", text)
    text = re.sub(r"(?:[ _\-#]|\.(?!\d))+", " ", text).strip(" :,")
    text = _OF_WHOM.sub("", text)
    whole = _named(text, kinds, scale, "mean")
    return whole or _in_words(text, kinds, scale)


_LONGEST = 80
_UNIT_WORDS = 5
"""Of the longest unit: "tokens per second per user"."""
_LONGEST_UNIT = 40
_OF_WHOM = re.compile(r"^(?:llm|gen ?ai|results?|metrics?|client|summary) | (?:statistics|stats)\b")


def _in_words(text: str, kind: str, scale: float | None) -> Label | None:
    """Of a label without brackets: the statistic and the unit are among its words."""
    statistic = "mean"
    text = _MEAN.sub(" ", text)
    if match := _STATISTIC.search(text):
        rank = match["p"] or match["q"] or match["q2"] or ("50" if match["median"] else "")
        statistic = f"p{rank}" if rank else "max" if match["max"] else "none"
        text = text[: match.start()] + " " + text[match.end() :]
    text = " ".join(text.split()).removesuffix(" latency of").strip()
    if found := _named(text, kind, scale, statistic):
        return found
    if kind:
        return None
    words = text.split(" ")
    for count in range(1, min(_UNIT_WORDS, len(words)) + 1):
        kind, scale = _unit(" ".join(words[-count:]))
        name = " ".join(words[:-count])
        if kind and (found := _named(name, kind, scale, statistic)):
            return found
    kind, scale = _unit(text)
    return _named("", kind, scale, statistic) if kind else None


def _named(text: str, kind: str, scale: float | None, statistic: str) -> Label | None:
    if test := _TEST.fullmatch(text):
        field = "prefill_tokens_per_s" if test[1] == "pp" else "decode_tokens_per_s"
        length = int(test[2]) if test[2] else None
        return Label(field, statistic, 1.0 if kind in ("rate", "") else None, length)
    for pattern, kinds, field in _KNOWN:
        if not pattern.fullmatch(text):
            continue
        if (kind or "none") in kinds:
            return Label(field, statistic, scale if kind else 1.0)
        if not kind and "time" in kinds:
            return Label(field, statistic, None)
        if not kind and "rate" in kinds and field in _OF_TOKENS and text.endswith(_RATES):
            return Label(field, statistic, 1.0)
    return None


def _unit(said: str) -> tuple[str, float | None]:
    """(the kind of a unit, its scale); ("", None) for what is none."""
    text = " ".join(said.lower().split())
    if text and len(text) <= _LONGEST_UNIT:
        for pattern, kind, scale in _UNIT:
            if pattern.fullmatch(text):
                return kind, scale
    return "", None


def thousands(unit: str) -> tuple[int, str]:
    """(1 for "k", 2 for "M", 0; the unit after it) of "k tok/s" and of a prefix that is alone."""
    prefix, rest = unit[:1], unit[1:].strip()
    of_counts = not rest or _unit(rest)[0] in {"rate", "each", "requests", "count"}
    return (1 + (prefix == "m"), rest) if prefix in {"k", "m"} and of_counts else (0, unit)


_MEAN_IS = re.compile(r"^(?:avg|mean|average|median)[ \t]*=[ \t]*")


def value_of(text: str) -> tuple[float | None, str]:
    """(the number, the unit after it) of "1,853.3 tok/s", "0.21s", "118.2 ± 0.2", "38,5 t/s"."""
    match = _VALUE.match(_MEAN_IS.sub("", text.strip(" *`\t").lower()))
    if match is None:
        return None, ""
    after = match[2].strip()
    if inside := re.fullmatch(r"[(\[]([^()\[\]]*)[)\]]", after):
        after = inside[1]
    unit = re.split(r"[±(\[|,;]| \+/- ", after, maxsplit=1)[0].strip()
    unit = unit if len(unit) <= _LONGEST_UNIT else ""
    return number_or_none(match[1].rstrip(".,")), unit

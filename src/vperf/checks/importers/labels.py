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
    (_TOKEN_RATES + r"|toks/s", "rate", 1.0),
    (_REQUEST_RATES, "requests", 1.0),
    (r"ms|msecs?|milliseconds?|ms ?/ ?tok(?:en)?|ms per tok(?:en)?", "time", 1e-3),
    (r"s|secs?|seconds?|s ?/ ?tok(?:en)?|s per tok(?:en)?", "time", 1.0),
    (r"us|µs|μs|microseconds?", "time", 1e-6),
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
    r"|(?P<other>min(?:imum)?|lowest|best|std ?dev|stddev|std|stdev|variance|peak|total count|count))"
    r"(?=\W|$)"
)
_FIRST = r"(?:time to (?:the )?first (?:output )?token|ttft|first token(?: latency| time)?|prefill (?:latency|time))"
_EACH = (
    r"(?:time per (?:output )?token|tpot|(?:per |output |decode )?token latency"
    r"|decode latency per token|time between tokens|tbt|latency per (?:output )?token)"
)
_GAP = r"(?:inter ?token(?: latency| delay)?|itl)"
_WHOLE = r"(?:(?:end to end|e2e|request|overall|response|query|total request)(?: latency| time)|e2el?|lat(?:ency)?)"
_SPEED = r"(?:throughput|tput|speed|rate|thrpt)"
_OUT = r"(?:output|generated|generation|gen|completion|decoded|out)"
_IN = r"(?:input|prompt|in)"
_SIZE = r"(?: ?(?:len(?:gth)?|size|tokens?|token count|sequence length|seq(?:uence)? len|count))"
_EACH_ONE = r"(?: per (?:request|prompt|req))?"
_NAMES: tuple[tuple[str, str, str], ...] = (
    # What the label is, without statistic and unit; the kinds of unit that it may have; the field.
    (rf"{_FIRST}", "time", "ttft_s"),
    (rf"{_EACH}", "time", "tpot_s"),
    (rf"{_GAP}", "time", "itl_s"),
    (rf"{_WHOLE}", "time", "latency_s"),
    (r"(?:benchmark |test |run )?duration|(?:total |elapsed |wall )(?:clock )?time|elapsed"
     r"|time taken for tests|total benchmark time", "time", "duration_s"),
    (rf"(?:(?:total|overall|aggregate[d]?) )?{_OUT}(?: tok(?:en)?s?)?(?: {_SPEED})?"
     rf"|tok(?:en)? {_SPEED}|(?:output|out) tok(?:en)?s?", "rate", "output_tokens_per_s"),
    (rf"(?:decode|decoding|eval|tg ?\d*|token generation|tput decode)(?: {_SPEED})?"
     rf"|generation speed|generationspeed|gen speed", "rate", "decode_tokens_per_s"),
    (rf"(?:prefill|prompt processing|prompt eval|prompt|pp ?\d*|processing|ingestion)(?: {_SPEED})?"
     r"|processingspeed", "rate", "prefill_tokens_per_s"),
    (rf"(?:total|overall|combined|aggregate[d]?)(?: tok(?:en)?s?)?(?: {_SPEED})?"
     rf"|input(?: tok(?:en)?s?)?(?: {_SPEED})?", "rate", "no_s"),
    (rf"(?:user|per user|per request)(?: tok(?:en)?s?)?(?: {_SPEED})?", "rate each", "each_tokens_per_s"),
    (rf"(?:tok(?:en)?s?)?(?: ?{_SPEED})?", "each", "each_tokens_per_s"),
    (rf"(?:tok(?:en)?s? )?{_SPEED}|tok(?:en)?s?|", "rate", "tokens_per_s"),
    (rf"(?:req(?:uest)?s?)?(?: ?{_SPEED})?", "requests", "requests_per_s"),
    (r"(?:traffic )?(?:request|arrival|target) rate(?: configured)?", "requests none", "request_rate"),
    (r"(?:successful|success|succeed(?:ed)?|completed) (?:requests?|reqs?)|completed", "none", "completed"),
    (r"(?:total |num(?:ber)?(?: of)? |n |# ?)?(?:requests?|reqs?|prompts)", "none", "requests"),
    (r"(?:failed|errored?|error) (?:requests?|reqs?)|errors|number of errored requests", "none", "failed"),
    (r"(?:(?:request |number of |num |user )?concurrency|conc|concurrent(?: (?:users|requests))?|users"
     r"|clients|ccu?|vus|number of concurrency|parallel(?: requests)?|virtual users|num users"
     r"|concurrencies)", "none", "max_concurrency"),
    (r"(?:batch(?: ?size)?|bs|batchsize)", "none", "batch_size"),
    (rf"isl|{_IN}{_SIZE}{_EACH_ONE}|(?:number of |num )?input tokens?{_EACH_ONE}"
     r"|(?:context|ctx)(?: (?:len(?:gth)?|size))?|sequence length|prompt", "none count", "input_len"),
    (rf"osl|{_OUT}{_SIZE}{_EACH_ONE}|decode length|max (?:new )?tokens|genamount"
     rf"|(?:number of |num )?output tokens?{_EACH_ONE}|predicted tokens", "none count", "output_len"),
    (rf"total (?:num(?:ber of)? )?{_IN}(?: text)? tokens|number of prompt tokens", "none count", "all_input"),
    (rf"total (?:num(?:ber of)? )?{_OUT}? ?tokens(?: generated)?|number of completion tokens",
     "none count", "all_output"),
    (r"model(?: (?:name|id|path))?", "none", "model"),
    (r"gpu(?:s| name| type| model)?|hardware|device|card|accelerator", "none", "gpu"),
    (r"(?:num(?:ber)?(?: of)? |n )gpus|gpu count", "none", "gpus"),
    (r"tp(?: size)?|tensor parallel(?:ism)?(?: size)?", "none", "tp"),
    (r"quant(?:ization|isation)?|precision|weights?(?: format)?|dtype", "none", "quantization"),
    (r"engine|framework|backend|server|inference engine|runtime", "none", "engine"),
)  # fmt: skip
_KNOWN = tuple((re.compile(pattern), kinds.split(), name) for pattern, kinds, name in _NAMES)
_BRACKETS = re.compile(r"[(\[]([^()\[\]]*)[)\]]")
_TEST = re.compile(r"(pp|tg) ?(\d{1,7})")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_VALUE = re.compile(r"[~≈]?[ ]?([+-]?\d[\d.,]*(?:[eE][+-]?\d+)?)[ ]?(.*)")
_OF_TOKENS = {"output_tokens_per_s", "decode_tokens_per_s", "prefill_tokens_per_s"}
_RATES = ("throughput", "speed", "rate")
"""What ends a label that can only be of tokens a second, where no unit is said."""
TEXTS = frozenset({"model", "gpu", "quantization", "engine"})
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
    """The field of a label, with the unit said beside its number, if any; None: it is none known."""
    if len(said) > _LONGEST:
        return None
    kinds, scale = _unit(unit)
    said = said.replace("(per request)", " per request").replace("(per user)", " per user")
    text = _CAMEL.sub(" ", said.strip(" *:`_=.\t")).lower()
    for inside in _BRACKETS.findall(text):
        kind, factor = _unit(inside)
        if kind:
            kinds, scale = kind, factor
    text = _BRACKETS.sub(" ", text)
    text = re.sub(r"(?:[ _\-#]|\.(?!\d))+", " ", text).strip(" :,")
    whole = _named(text, kinds, scale, "mean")
    return whole or _in_words(text, kinds, scale)


_LONGEST = 80


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
    for cut in range(len(text), -1, -1):
        if cut and text[cut - 1] != " " and cut != len(text):
            continue
        name, unit = text[:cut].strip(), text[cut:].strip()
        kind, scale = _unit(unit)
        if kind and (found := _named(name, kind, scale, statistic)):
            return found
    kind, scale = _unit(text)
    return _named("", kind, scale, statistic) if kind else None


def _named(text: str, kind: str, scale: float | None, statistic: str) -> Label | None:
    if test := _TEST.fullmatch(text):
        field = "prefill_tokens_per_s" if test[1] == "pp" else "decode_tokens_per_s"
        return Label(field, statistic, 1.0 if kind in ("rate", "") else None, int(test[2]))
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
    if text:
        for pattern, kind, scale in _UNIT:
            if pattern.fullmatch(text):
                return kind, scale
    return "", None


def value_of(text: str) -> tuple[float | None, str]:
    """(the number, the unit after it) of "1,853.3 tok/s", "0.21s", "118.2 ± 0.2", "38,5 t/s"."""
    match = _VALUE.match(text.strip(" *`\t").lower().replace("avg=", ""))
    if match is None:
        return None, ""
    after = match[2].strip()
    if inside := re.fullmatch(r"[(\[]([^()\[\]]*)[)\]]", after):
        after = inside[1]
    unit = re.split(r"[±(\[|,;]| \+/- ", after, maxsplit=1)[0].strip()
    return number_or_none(match[1].rstrip(".,")), unit

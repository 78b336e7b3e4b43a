"""The speeds of one scenario and nothing else: what an estimate and a table of thousands share.

Both are computed here, so that `estimate`, `compare`, `sweep` and `fit` cannot disagree. Not here:
the ops one by one, the depth table and the sentences (estimate.py), which cost more than all this.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vperf.answer import Speeds
from vperf.errors import InputError
from vperf.serving.memory_by_place import taken_of
from vperf.speeds.batch import of_batch
from vperf.speeds.pace import Pace

if TYPE_CHECKING:
    from vperf.deployment import Deployment


def speeds(at: Deployment) -> Speeds:
    """The speeds of a deployment, and whether it fits. Raises InputError for prompts that other
    cards read: their figures are not of one kind of card."""
    apart = at.encoding is not None and at.encoding.apart is not None
    if at.ahead is not None or apart:
        raise InputError(
            "is answered by vperf estimate alone", field="encoder-gpu" if apart else "prefill-gpu"
        )
    pace, load = pace_of(at), at.load
    expected, groups = pace.expected, at.model.parallel.data
    prompt, output = at.request_tokens
    taken, capacity = taken_of(at.compiled, at.replica.pools, pace.held, prompt, output)
    if pace.served is None or load is None:
        answered_s = expected.ttft_s + (output - 1) * expected.tpot_s
        rate, serving = pace.running / answered_s, None
        input_s = expected.ttft_s / (pace.running * prompt)
        output_s = expected.tpot_s / pace.running
    else:
        from vperf.speeds.load import serving_of  # noqa: PLC0415  (most scenarios are of a batch)

        rate, serving = pace.served.requests_per_s, serving_of(pace, pace.served, load)
        past = load.cached_tokens
        prefill_s = at.compiled.prefill(groups, prompt - past, past).expected / groups
        input_s = prefill_s / prompt
        output_s = max(0.0, 1 / rate - prefill_s) / output if output else 0.0
    return Speeds(
        pace.limit, expected, at.gpus, taken, capacity,
        input_s, output_s, rate, rate * output, serving,
    )  # fmt: skip


def pace_of(at: Deployment) -> Pace:
    """The speeds of its workload: of a batch, or of a load that settles."""
    if at.load is None:
        return of_batch(at)
    from vperf.speeds.load import of_load  # noqa: PLC0415  (most scenarios are of a batch)
    from vperf.speeds.texts import of_texts  # noqa: PLC0415

    return of_load(at, at.load) if at.model.generates else of_texts(at, at.load)

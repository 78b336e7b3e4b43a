"""The speeds of a load that settles, or that ends. Not here: how a load settles
(serving/load.py), its requests one by one (run.py).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from vperf.answer import Serving, SimulatedRun
from vperf.model.model import Model
from vperf.serving.equal_steps import Steps
from vperf.serving.load import Load, Served, serve
from vperf.serving.memory import Pool, largest_batch, reading_bytes, sequence_bytes
from vperf.serving.speculative import tokens_per_step
from vperf.speeds.pace import Pace, speed_of, with_range
from vperf.speeds.run import simulated_run
from vperf.timing.ranges import decode_spread, spread_under_load

if TYPE_CHECKING:
    from vperf.deployment import Deployment


def of_load(at: Deployment, load: Load) -> Pace:
    """TTFT as a benchmark that starts with all users at once reports it, TPOT with the prefills of
    others between one's own tokens; rates of the whole deployment. The limit is that of the batch
    that is running."""
    model, card = at.model, at.card
    steps = at.replica.steps(load)
    if at.kept is not None:
        served = at.kept.served(at.compiled, load, steps)
    elif at.ahead is not None:
        served = at.ahead.served(at.compiled, load, steps)
    elif at.encoding is not None and at.encoding.apart is not None:
        served = at.encoding.served(at.compiled, load, steps)
    else:
        served = serve(at.compiled, load, steps)
    finite = simulated_run(at) if at.run is not None and at.run.finite else None
    if finite is not None:
        served = _as_run(served, finite, load, steps, model.draft_depth)
    of = load.input_tokens, served.running_batch
    limit = speed_of(served.limit_ttft_s, served.limit_tpot_s, *of)
    ceiling = speed_of(served.ceiling_ttft_s, served.ceiling_tpot_s, *of)
    expected = with_range(
        limit, served.ttft_s, served.tpot_s, *of,
        ttft_spread=spread_under_load(card.engine, card.constants.origins.whole),
        tpot_spread=decode_spread(card.constants, card.engine, experts=model.has_experts),
    )  # fmt: skip
    running = max(1, round(served.running_batch))
    held = held_batch(model, at.replica.pools, load, running)
    gain = tokens_per_step(load.acceptance, model.draft_depth)
    return Pace(limit, ceiling, expected, running, held, gain, served=served, simulated=finite)


def _as_run(served: Served, ran: SimulatedRun, load: Load, steps: Steps, drafts: int) -> Served:
    """What a load comes to in a run that ends; its bounds are those of its mean batch."""
    tpot = ran.tpot.mean_s if ran.tpot else served.tpot_s
    # Requests meet more than the mean over time, so that the bound of that batch holds for all.
    batch = ran.requests_per_s * max(1, load.output_tokens - 1) * tpot
    batch = max(1.0, min(batch, served.running_batch))
    step, gain = steps.decode(batch), tokens_per_step(load.acceptance, drafts)
    return replace(
        served,
        running_batch=batch,
        ttft_s=ran.ttft.mean_s,
        tpot_s=tpot,
        requests_per_s=ran.requests_per_s,
        limit_tpot_s=step.limit / gain,
        ceiling_tpot_s=step.ceiling / gain,
    )


def serving_of(pace: Pace, served: Served, load: Load) -> Serving:
    """The part of the answer that only a served load has."""
    return Serving(
        served.running_batch,
        served.slots,
        served.requests_per_s,
        served.ttft_steady_s,
        load.requests_per_s,
        served.saturated,
        served.prompt_share,
        pace.simulated.prompts if pace.simulated else None,
    )


def held_batch(model: Model, of_card: tuple[Pool, ...], load: Load, running: int) -> int:
    """As many of the `running` sequences as the pools of a card hold at full length, one at least.

    Pages are shared out while sequences are shorter.
    """
    each = sequence_bytes(model, of_card, load.input_tokens, load.output_tokens)
    once = reading_bytes(model, of_card, load.input_tokens)
    most = largest_batch(of_card, model.parallel.data, each, running, once)
    return max(1, min(running, most))

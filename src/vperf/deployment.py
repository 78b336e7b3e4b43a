"""A deployment: a model, divided, on its cards with their engine, and the requests it answers.

All names are values here, and all that can be refused has been (resolve/). Pure and frozen: its
speeds (speeds/) and its estimate (estimate.py) are functions of it.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from vperf.model.config import ModelConfig
from vperf.model.model import Model
from vperf.notes import Note
from vperf.scenario import PLACING, Scenario
from vperf.serving.lengths import Lengths
from vperf.serving.memory import Pool, pools
from vperf.timing.compiled import Compiled
from vperf.timing.step import Card
from vperf.values import dataclass

if TYPE_CHECKING:
    from vperf.model.vision import Encoder
    from vperf.serving.elsewhere import Ahead, Kept
    from vperf.serving.encoding import Encoding
    from vperf.serving.equal_steps import Steps
    from vperf.serving.load import Load
    from vperf.serving.simulation import Run


def _said(value: object) -> str:
    """The value of an option as a shell takes it, after a space."""
    if value is True:
        return ""
    if isinstance(value, list | tuple):
        value = ",".join(map(str, value))
    return f" {value:g}" if isinstance(value, float) else f" {shlex.quote(str(value))}"


class Replica:
    """What deployments that differ in their load share: a model on its cards, and its steps."""

    __slots__ = ("_pools", "_steps", "_tower", "compiled", "found", "notes")

    def __init__(
        self, found: ModelConfig, compiled: Compiled, notes: tuple[Note, ...] = ()
    ) -> None:
        self.found, self.compiled = found, compiled
        self.notes = notes
        """What its places take for granted."""
        self._steps: dict[tuple[float, ...], Steps] = {}
        self._pools: tuple[Pool, ...] = ()
        self._tower: tuple[Encoder, Compiled] | None = None

    def tower(self) -> tuple[Encoder, Compiled]:
        """What encodes images and sounds, on its card. Raises InputError."""
        from vperf.model.checkpoint import Config  # noqa: PLC0415  (most requests are of text)
        from vperf.model.vision import read_media  # noqa: PLC0415
        from vperf.serving.encoding import tower_on  # noqa: PLC0415

        if self._tower is None:
            config = Config(self.found.config, self.found.label)
            encoder = read_media(config, self.compiled.model)
            self._tower = encoder, tower_on(encoder, self.compiled.card)
        return self._tower

    @property
    def pools(self) -> tuple[Pool, ...]:
        """What one of its cards has for cache (serving/memory.py)."""
        if not self._pools:
            card = self.compiled.fullest
            self._pools = pools(self.compiled.model, card.gpu, card.engine)
        return self._pools

    def steps(self, load: Load) -> Steps:
        """Step times that loads of equal lengths share, each computed once."""
        from vperf.serving.equal_steps import Steps  # noqa: PLC0415  (most scenarios are of a batch)

        key = (load.input_tokens, load.output_tokens, load.cached_tokens, load.encode_s)
        found = self._steps.get(key)
        if found is None:
            self._steps.clear()  # a walk over lengths does not come back
            found = self._steps[key] = Steps(self.compiled, load, self.pools)
        return found


@dataclass(frozen=True, slots=True)
class Deployment:
    """A replica and the requests that come to it."""

    scenario: Scenario
    """What it came from: what-ifs change it (resolve/), nothing else reads a name in it."""
    replica: Replica
    lengths: Lengths
    """Text tokens of the requests."""
    load: Load | None
    """Of a server, with images and drafts as its model meets them; None: one batch."""
    batch_size: int
    """Equal requests that start together; 1 under a load."""
    image_tokens: int
    acceptance: float | None
    """Probability that a draft is accepted; None: nothing drafts."""
    accepted: tuple[float, ...] = ()
    """Share of steps in which each draft is."""
    run: Run | None = None
    """The requests of that load as a benchmark sends them; None: one batch."""
    warnings: tuple[Note, ...] = ()
    """What finding the model warned of."""
    encoding: Encoding | None = None
    """Of a request's images and sounds; None: it has none, or their tokens alone are known."""
    taken: tuple[Note, ...] = ()
    """What was typed and taken as something else."""
    kept: Kept | None = None
    """A cache beyond the cards in which part of each prompt is found."""
    ahead: Ahead | None = None
    """Other cards that read the prompts."""

    @property
    def found(self) -> ModelConfig:
        """The model's config and where it is from."""
        return self.replica.found

    @property
    def compiled(self) -> Compiled:
        """The times of its steps."""
        return self.replica.compiled

    @property
    def model(self) -> Model:
        """As its engine runs it: its cache, its context, its drafts, divided."""
        return self.replica.compiled.model

    @property
    def card(self) -> Card:
        """One of its cards, with its engine."""
        return self.replica.compiled.card

    @property
    def gpus(self) -> int:
        """How many cards of its kind it has; unlike ones are a kind of their own."""
        places = self.compiled.places
        if self.card.gpu.beside:
            return 1
        if places is None or len(places.cards) == 1:
            return self.model.parallel.gpus
        return len(places.cards)

    @property
    def placement(self) -> str:
        """What lies beyond the cards, as options; "" where nothing does."""
        if self.compiled.places is None:
            return ""
        given = {name: getattr(self.scenario, name) for name in PLACING}
        return " ".join(
            f"--{name.replace('_', '-')}{_said(value)}"
            for name, value in given.items()
            if value is not None and value is not False and value != ()
        )

    @property
    def prompt_tokens(self) -> int:
        """All that prefill reads of a request of mean length."""
        return self.lengths.input_tokens + self.image_tokens

    @property
    def request_tokens(self) -> tuple[int, int]:
        """Tokens of a request, images included, and of its answer: of a load, as its server has
        them."""
        if self.load is not None:
            return self.load.input_tokens, self.load.output_tokens
        return self.prompt_tokens, self.lengths.output_tokens

    @property
    def decode_context(self) -> int:
        """Mean tokens in the cache of a decode step."""
        return self.lengths.decode_context + self.image_tokens

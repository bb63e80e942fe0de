"""What every timeline is, and what holds where a kind of time says nothing else."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

from samplebench.answers.parameters import label
from samplebench.answers.rounding import model_range
from samplebench.errors import UsageError
from samplebench.models.bound import Bound
from samplebench.models.model import Model
from samplebench.registry import Entry
from samplebench.samplers.step import Step
from samplebench.timelines.words import Counts, Sweep, Words

if TYPE_CHECKING:
    from torch import Tensor


class Timeline(ABC):
    """The steps of one run, in one kind of time.

    Attributes:
        kinds: of the models on which such samplers run, the timeline's own among them.
        label: what stands in the column `discretization`; "" where grids have names of their own.
        needs: what such a sampler needs, e.g. "a discrete model".
        least: fewest steps there are.
        usual: a sampler of the kind without tuned parameters.
        defaults: what a model of the kind is sampled by where nobody says.
        words: of a request that it takes, beside its parameters.
        instead: what to say in place of the others, ending a line that begins with the sampler.
        settles: parameters of a request that are always its own, also where they are as usual.
        supplied: names that a sampler may declare to be given what `supplies` has of them.
        budgeted: whether a request says how many steps or evaluations there are.
        evaluates: whether a run asks the model to evaluate anything; else its NFE is 0.
        solved: whether a run ends on the ODE's solution from where it starts as its steps grow,
            though no request says where they are.
        staged: whether the sampler fixes the steps, and some of its states may be stages, which lie
            on no solution.
        steps: their number, each an interval of the grid; None where the sampler chooses them.
        constants: what of the request's parameters decides the steps, as a condition holds it.
    """

    kinds: ClassVar[tuple[str, ...]]
    label: ClassVar[str] = ""
    needs: ClassVar[str]
    least: ClassVar[int] = 2
    usual: ClassVar[str] = "euler"
    defaults: ClassVar[tuple[str, ...]] = ("euler", "heun")
    words: ClassVar[frozenset[str]] = frozenset({"steps", "nfe"})
    instead: ClassVar[str] = "has its own steps; leave out {words} and give steps or nfe"
    settles: ClassVar[frozenset[str]] = frozenset()
    supplied: ClassVar[tuple[str, ...]] = ()
    budgeted: ClassVar[bool] = True
    evaluates: ClassVar[bool] = True
    solved: ClassVar[bool] = False
    staged: ClassVar[bool] = False

    steps: int | None
    constants: Mapping[str, Any]

    # of the kind

    @classmethod
    def check(cls, sampler: str, words: Words) -> None:
        """Raises `UsageError` for words of a request that mean nothing here."""
        if wrong := words.refused(cls.words):
            raise UsageError(f"sampler {sampler} {cls.instead.format(words=', '.join(wrong))}")

    @classmethod
    @abstractmethod
    def of(cls, model: Any, sampler: Counts, words: Words) -> Self:
        """The steps that a request means, on a model or on what is known of one.

        Raises:
            OutOfBudget: the budget is too small for any.
            UsageError: words that do not apply, an unknown name or an impossible value.
        """

    @classmethod
    @abstractmethod
    def places(cls, asked: Sweep, given: Mapping[str, Any]) -> Iterator[Words]:
        """What a sweep asks for, without its budgets.

        Args:
            given: parameters of a sampler and of its steps, of which those of the steps are taken.
        """

    @classmethod
    def budgets(cls, sampler: Counts, asked: Sweep, words: Words) -> tuple[int | None, ...]:
        """The budgets of a sweep at one place of the steps; None where no budget decides them."""
        return (None,) if words.counted or not cls.budgeted else asked.nfe

    @classmethod
    @abstractmethod
    def words_of(cls, condition: Any, steps: int | None) -> Words:
        """What made the steps of a cell, from its condition."""

    @classmethod
    @abstractmethod
    def toy(cls, steps: int) -> Self:
        """So many steps on a toy problem, to count a sampler's evaluations on."""

    @classmethod
    def fewest(cls, given: Mapping[str, Any]) -> int:
        """The least number of steps with these words of the steps, as a sampler is given them."""
        return cls.least

    @classmethod
    def offers(cls, process: Any) -> str:
        """What a model of the kind is, for messages."""
        return "is D(x; sigma)"

    @classmethod
    def names(cls, asked: Sweep) -> set[str]:
        """The parameters that are the steps' and not the sampler's."""
        return set()

    @classmethod
    def refuse(cls, sampler: str, name: str) -> None:
        """Raises `UsageError` for a parameter that only other timelines have, saying why."""
        return

    @classmethod
    def shown(cls, condition: Any) -> str:
        """A condition in words, e.g. "edm rho=7"."""
        rho = {"rho": condition["rho"]} if "rho" in condition else {}
        return f"{condition['name']} {label(rho)}".strip()

    @classmethod
    def protocols(cls, process: Any) -> tuple[str, ...]:
        """Values of `Protocol.process` that fit a model of the kind."""
        return ("",)

    @classmethod
    def fits(cls, process: Any) -> bool:
        """Whether it is what models of the kind have as their `process`."""
        return True

    @classmethod
    def differs(cls, planned: Any, loaded: Any) -> str:
        """How a loaded model's process is not the planned one; "" where it is."""
        return ""

    # of a model of the kind

    @classmethod
    def once(cls, bound: Bound, images: Tensor) -> Tensor:
        """One evaluation, at a noise level near 1 or half-way in time."""
        return bound(images, min(max(1.0, bound.sigma_min), bound.sigma_max))

    @classmethod
    def span(cls, model: Any) -> tuple[float, float]:
        """The noise levels that a model knows."""
        return model_range(model)

    @classmethod
    def scaled(cls, scale: float) -> dict[str, Any]:
        """Words for noise levels so many times the usual ones; none where there are no levels."""
        return {"sigma_min": 0.002 * scale, "sigma_max": 80 * scale}

    @classmethod
    def channels(cls, model: Any) -> int:
        """D, how many channels of each pixel a state [N, D, C, H, W] has."""
        return 1

    @classmethod
    def left(cls, bound: Bound, images: Tensor, noise: Tensor, sigma: float, told: float) -> Tensor:
        """The noise of images at one level less what the model takes for it, like the noise.

        Args:
            noise: unit normal [N, D, C, H, W].
            told: the level that the model is told.
        """
        return (bound(images + sigma * noise[:, 0], told) - images)[:, None] / sigma

    # of one run

    @property
    @abstractmethod
    def condition(self) -> Any:
        """What of the steps is in a cell's conditions, beside their number."""

    @property
    @abstractmethod
    def grid(self) -> Tensor:
        """What the sampler receives: decreasing, [steps + 1] or [steps], on the host."""

    @property
    def column(self) -> str:
        """What stands in the column `discretization`."""
        return self.label

    @property
    def uses(self) -> tuple[tuple[str, Entry], ...]:
        """What others may have written of it: (kind, registration), the timeline's own apart."""
        return ()

    @property
    def takes(self) -> frozenset[str]:
        """The words of a sweep that have an effect here."""
        return frozenset({"nfe"})

    @property
    def supplies(self) -> Mapping[str, Any]:
        """What a sampler that declares it by name gets beside its own parameters."""
        return {}

    @property
    def written(self) -> Mapping[str, Any]:
        """What of `constants` a request has said that was not so without."""
        return self.constants

    @property
    def evaluations(self) -> int:
        """Network evaluations more than the sampler's own."""
        return 0

    @property
    def about(self) -> Mapping[str, Any]:
        """What the results say of where the steps are, beside the condition, as plain values."""
        return {}

    def remarks(self, model: Any, name: str) -> Iterable[str]:
        """What the reader of values on these steps must know, a line each.

        Args:
            model: or what is known of one.
            name: the model's.
        """
        return ()

    def end_levels(self) -> tuple[float, float]:
        """Noise levels of the first state, which is that times the latents, and of the result.

        For what writes a run down as coefficients: all that the steps do themselves is linear.

        Raises:
            UsageError: it is not, or the steps are no noise levels; why, without a subject.
        """
        raise UsageError(f"it needs {self.needs}, and the steps of a card are noise levels")

    def starts(self) -> list[float]:
        """Noise levels of the states from which a run may be started, one before each step.

        In EDM's convention, decreasing, the first state's first; infinite where no image is left.

        Raises:
            UsageError: a part of these steps is no run; why, after the sampler's name.
        """
        raise UsageError("cannot be started at one of its steps")

    def tail(self, first: int) -> Self:
        """The steps from number `first` on, one of those that `starts` has a level for.

        A step is what it was, whatever came before: the chain is the same, started later.
        """
        raise NotImplementedError

    def noised(self, images: Tensor, latents: Tensor) -> Tensor:
        """The state on the first step that images are in once they have its noise.

        Args:
            images: [N, C, H, W], nominally in [-1, 1].
            latents: unit normal, in the shape of `latent_shape`.
        """
        raise NotImplementedError

    @property
    def who(self) -> str:
        """Whose state latents must be like, for messages."""
        return "this model"

    @abstractmethod
    def toy_model(self) -> Model:
        """An exact model of unit normal pixels, as few as will do, on which these steps run."""

    def settled(self, effective: dict[str, Any]) -> dict[str, Any]:
        """A sampler's parameters with what the steps leave no choice of."""
        return effective

    def latent_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Of the unit normal latents of one image of a shape (C, H, W)."""
        return shape

    @abstractmethod
    def start(self, latents: Tensor) -> Tensor:
        """The state on the first step, from unit normal latents.

        Raises:
            UsageError: another shape than the state has.
        """

    @abstractmethod
    def view(self, bound: Bound) -> Any:
        """What the sampler sees of a model."""

    def finish(self, x: Tensor, view: Any, callback: Callable[[Step], None] | None) -> Tensor:
        """Images [N, C, H, W] from the state on the last step.

        Args:
            view: what the sampler saw of the model.
            callback: for a step that is made here.
        """
        return x

"""`sb.wrap`: a network that is in memory already, as a model."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from samplebench.answers.blame import line_of
from samplebench.answers.scalars import plain, scalar, values
from samplebench.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

    from samplebench.models.model import Model
    from samplebench.processes.discrete import DiscreteProcess
    from samplebench.processes.linear import LinearProcess

_LONGEST = 64  # of a name


def wrap(
    network: Callable[..., Any],
    *,
    predicts: str | None = None,
    process: str | LinearProcess | DiscreteProcess | None = None,
    alpha_bar: Any = None,
    betas: Any = None,
    time: str | Callable[[Any], Any] | None = None,
    data_range: Sequence[float] = (-1, 1),
    shape: Sequence[int],
    num_classes: int = 0,
    learn_sigma: bool = False,
    null_label: int | None = None,
    name: str | None = None,
    family: str | None = None,
    config: Mapping[str, Any] | None = None,
    **constants: Any,
) -> Model:
    """A network as a model for `sb.sample` and `sb.run`.

    Either `predicts` says what it answers, in the general form, or `family` that it follows the
    convention of a release.

    The general form: network(x, t), with classes network(x, t, labels), sees y_t = a_t y0 + b_t n
    of images y0 in `data_range` with the process's own a_t and b_t, and answers with a tensor like
    y_t, or with an object whose `sample` is one.

    Args:
        network: a torch module, or anything that can be called. A module is switched to evaluation,
            stays on its device, and receives its own precision (the widest of its parameters'),
            whatever that of the state; a function receives the state's, or float32 where it cannot
            take that. One with a method draw_from(uniforms, normals, labels), as
            `KernelDensity.draw_from` with images in `data_range`, has exact draws.
        predicts: "eps" (n), "x0" (y0), "v" (a n - b y0; on tables and vp), "score" (-n / b), "flow"
            (n - y0; on flow), or "D": y0, of a state that is not scaled, y0 + sigma n.
        process: "vp", "ve" or "flow"; "cld" or "bdm" for a network of eps that sees the state
            [N, D, C, H, W], images in [-1, 1]; "discrete"; or what `sb.process` makes of one of
            them. "D" needs none.
        alpha_bar: instead of a process a table of one, least noisy first; or
        betas: the same table by its betas.
        time: what the network receives, [N]. "index" (int64, from 0; the default on tables) or
            "fraction" (index / (entries - 1)) on a table; "t" (the process's own; the default on
            the others); "sigma" (b / a, in units of `data_range`; the default of "D"); "log-snr"
            (ln(a^2 / b^2) = -2 ln sigma); or a function of the index or of t, from tensor [n] to
            tensor [n], without "t" of sigma. What is no whole number is in the dtype of x.
        data_range: what the network takes for black and white.
        shape: (C, H, W) of one image.
        num_classes: 0 for an unconditional network; labels are int64 [N].
        learn_sigma: whether variance channels as OpenAI's lie behind the noise; "eps" on tables.
        null_label: what stands for no label, where the network was trained with one.
        name: in results; by default its class or function with 8 digits of its hash.
        family: of a release, see `models/families.py`: improved-diffusion, guided-diffusion,
            ddpm-ip: network(x_t, t, y) -> the noise, with the variance channels behind it where
            learn_sigma is set; edm: network(x, sigma, class_labels) -> the denoised images,
            class_labels one-hot; alpha_bar: a denoiser callable(x, sigma) or (x, sigma, labels),
            put on the steps of a discrete process.
        config: of a family, in the release's words: noise_schedule, diffusion_steps,
            timestep_respacing (only what `sb.sample` keeps where it is not told),
            rescale_timesteps, learn_sigma, sigma_small, predict_xstart; sigma_table "edm" for the
            noise levels of EDM's wrapper. edm: sigma_min, sigma_max. alpha_bar: noise_schedule,
            diffusion_steps, sigma_small.
        constants: of the process, as for `sb.process`; sigma_min and sigma_max of a "D" without.

    Returns:
        A model of D(x; sigma) in EDM's convention (on tables with the process's own steps as well),
        or of eps(u, t) on cld and bdm. Its `provenance` says what it is, with a hash of weights,
        buffers, code and all that is said here. A warning tells of a network in training mode, of
        one that is random, and of one that writes on its input: it is tried on two images.

    Raises:
        UsageError: words that do not go together or that do not exist, a table that is none, a
            shape that is not (C, H, W), or a network that fails or answers with something else.
        InputError: a value in `config` or of a discrete process that is not of its kind.
    """
    from samplebench.answers.tensors import described
    from samplebench.models.families import of_family
    from samplebench.models.general import Form
    from samplebench.models.ingredients import Ingredients, called
    from samplebench.models.modules import modules_of
    from samplebench.models.network import UserNetwork
    from samplebench.models.trial import evaluating

    said = {"predicts": predicts, "process": process, "alpha_bar": alpha_bar, "betas": betas,
            "time": time, "learn_sigma": learn_sigma or None, "null_label": null_label,
            **constants}  # fmt: skip
    _one_form(family, config, [word for word, value in said.items() if value is not None])
    size, classes = _shape(shape), _classes(num_classes)
    if not callable(network):
        raise UsageError(f"wrap: {described(network)} is not a network: it cannot be called")
    who = f"the network {_name(name) or called(network)}"
    remarks = evaluating(who, modules_of(network))
    about = {"shape": list(size), "num_classes": classes}
    if family is not None:
        words = plain(config or {})
        model = of_family(network, family, words, size, classes)
        about |= {"family": family, "config": words}
        model.ingredients = Ingredients(network, about, (), name)
    else:
        form = Form.of(
            str(predicts), time, data_range, bool(learn_sigma), constants, size,
            process=process, alpha_bar=alpha_bar, betas=betas,
        )  # fmt: skip
        null = _null(null_label, classes)
        asked = UserNetwork(network, who=who, num_classes=classes, null_label=null)
        model = made = form.model(asked, size)
        made.try_out()
        remarks += asked.remarks
        about |= {**form.words, "null_label": null}
        model.ingredients = Ingredients(network, about, form.code, name)
    draw = getattr(network, "draw_from", None)
    if callable(draw):
        ends = (-1.0, 1.0) if family is not None else (float(data_range[0]), float(data_range[1]))
        model.draw_from = partial(_drawn, f"draw_from of {who}", draw, ends)
    model.renew()
    for remark in remarks:
        warnings.warn(remark, stacklevel=2)
    return model


def _drawn(
    who: str, draw: Callable[..., Any], data_range: tuple[float, float],
    uniforms: Tensor, normals: Tensor, labels: Tensor | None,
) -> Tensor:  # fmt: skip
    """A network's exact draws as images in [-1, 1]."""
    from samplebench.answers.tensors import checked

    low, high = data_range
    drawn = checked(who, draw(uniforms, normals, labels), normals)
    return (2 * drawn - (low + high)) / (high - low)


def _one_form(family: str | None, config: Any, general: list[str]) -> None:
    """Raises where both forms are asked for, or none.

    Args:
        general: words of the general form that are said.
    """
    from samplebench.models.families import check_family

    if family is not None:
        check_family(family)
        if general:
            raise UsageError(
                f"wrap: family='{family}' defines the network; leave out {', '.join(general)}"
            )
    elif "predicts" not in general:
        raise UsageError(
            "wrap: state what the network predicts, e.g. predicts='eps', or its family, e.g. "
            "family='edm'"
        )
    elif config is not None:
        raise UsageError(
            "wrap: config is for family=; with predicts= pass its entries as arguments"
        )


def _shape(shape: Any) -> tuple[int, int, int]:
    found = values(shape)
    if len(found) != 3 or not all(type(n) is int and n > 0 for n in found):
        said = line_of(str(tuple(found)))
        raise UsageError(f"shape={said} must be (C, H, W), e.g. (3, 32, 32)")
    return found[0], found[1], found[2]


def _classes(num_classes: Any) -> int:
    number = scalar(num_classes)
    if type(number) is not int or number < 0:
        raise UsageError(f"num_classes={number!r} must be a whole number, 0 for none")
    return number


def _null(null_label: Any, num_classes: int) -> int | None:
    number = scalar(null_label)
    if number is None:
        return None
    if type(number) is not int or number < 0:
        raise UsageError(f"null_label={number!r} must be a whole number from 0 up")
    if not num_classes:
        raise UsageError(f"null_label={number} is for networks with classes; add num_classes")
    return number


def _name(name: Any) -> str | None:
    if name is None:
        return None
    text = name.strip() if isinstance(name, str) else ""
    # A folder of results is called so, too.
    fits = text.isprintable() and "," not in text and len(text) <= _LONGEST
    if not (fits and any(map(str.isalnum, text))):
        raise UsageError(
            f"name={line_of(repr(name))} must be one printable word or more, without commas, of at "
            f"most {_LONGEST} letters"
        )
    return text

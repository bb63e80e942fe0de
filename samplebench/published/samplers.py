"""The samplers of published.csv: each printed name, and which algorithm it is.

A name of samplebench's own means that algorithm. What is nearly but not quite it has a variant,
which says how it differs. Names that samplebench does not register yet are the field's, in lower
case.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

_GUIDED = " + classifier guidance"
_SCALED = " + epsilon scaling "
_UNTUNED = "S_churn not stated"
ORDER_NOT_STATED = "order not stated"


@dataclass(frozen=True)
class Sampler:
    """An algorithm.

    Attributes:
        name: e.g. "heun".
        params: what is known of its parameters, under their papers' names.
        variant: how it differs from the algorithm of that name; "" where it does not.
    """

    name: str
    params: Mapping[str, Any] = field(default_factory=dict)
    variant: str = ""


def _edm(churn: float, low: float, high: float, noise: float) -> Sampler:
    return Sampler("edm", {"S_churn": churn, "S_min": low, "S_max": high, "S_noise": noise})


# EDM's stochastic settings by checkpoint (Karras et al. 2022, Table 5); tuned on FID itself.
TUNED = {
    "baseline-cifar10-32x32-uncond-vp": _edm(30.0, 0.01, 1.0, 1.007),
    "baseline-cifar10-32x32-uncond-ve": _edm(80.0, 0.05, 1.0, 1.007),
    "baseline-imagenet-64x64-cond-adm": _edm(80.0, 0.05, 50.0, 1.003),
    "edm-imagenet-64x64-cond-adm": _edm(40.0, 0.05, 50.0, 1.003),
}
_WIDE = {"S_min": 0.0, "S_max": math.inf}
_LEARNED = Sampler("respaced", {"variance": "learned"})

# Printed name -> algorithm; None: EDM's stochastic sampler with the checkpoint's TUNED settings.
NAMES: Mapping[str, Sampler | None] = {
    # Probability-flow ODE, one and two stages.
    "Euler": Sampler("euler"),
    "Euler (Alg. 1)": Sampler("euler"),
    "Euler, VP schedule and scaling (Alg. 1)": Sampler(
        "euler", {"schedule": "vp", "scaling": "vp"}
    ),
    "Euler, VE schedule (Alg. 1)": Sampler("euler", {"schedule": "ve"}),
    "Euler, original implementation": Sampler("euler", variant="original implementation"),
    "Euler + GITS": Sampler("euler"),
    "EDM Heun, S_churn=0": Sampler("heun"),
    "EDM Heun, S_churn=0 + autoguidance": Sampler("heun"),
    "EDM Heun, S_churn=0 + classifier-free guidance": Sampler("heun"),
    "Heun, sigma=t s=1": Sampler("heun"),
    "Heun, VP schedule and scaling": Sampler("heun", {"schedule": "vp", "scaling": "vp"}),
    "Heun, VE schedule": Sampler("heun", {"schedule": "ve"}),
    "Heun": Sampler("heun"),
    "Heun (EDM) + AFS": Sampler("heun", {"afs": True}),
    "Heun (2nd order)": Sampler("heun", variant="in the rescaled model"),
    "RK45 black box": Sampler("rk45", variant="tolerance not stated"),
    "probability-flow RK45": Sampler("rk45", variant="tolerance not stated"),
    "probability-flow RK45, rtol=atol=1e-5": Sampler("rk45", {"rtol": 1e-5}),
    # EDM's stochastic sampler and Restart.
    "EDM stochastic, paper settings": None,
    "EDM stochastic, optimal": None,
    "EDM stochastic, S_churn=40 S_tmin=0.05 S_tmax=50 S_noise=1.003": _edm(40.0, 0.05, 50.0, 1.003),
    "EDM stochastic, no S_noise": Sampler(
        "edm", {"S_noise": 1.0}, f"{_UNTUNED}, S_min and S_max not stated"
    ),
    "EDM stochastic, no S_tmin/S_tmax": Sampler("edm", _WIDE, f"{_UNTUNED}, S_noise not stated"),
    "EDM stochastic, no S_tmin/S_tmax, no S_noise": Sampler(
        "edm", {**_WIDE, "S_noise": 1.0}, _UNTUNED
    ),
    "previous work, stochastic": Sampler("previous-stochastic"),
    "reverse SDE (vanilla)": Sampler("reverse-sde"),
    "Restart (Heun)": Sampler("restart", variant="intervals not stated"),
    "Restart (Heun, S_noise 1.003)": Sampler(
        "restart", {"S_noise": 1.003}, "intervals not stated"
    ),
    "Restart (DPM-Solver-3)": Sampler("restart", variant="on DPM-Solver-3"),
    # Other SDE solvers.
    "Euler-Maruyama": Sampler("euler-maruyama"),
    "Euler-Maruyama predictor, no corrector": Sampler(
        "pc", {"predictor": "euler-maruyama", "corrector": "none", "denoise": True}
    ),
    "PC: reverse-diffusion predictor + Langevin corrector (snr 0.16, 1 corrector step)": Sampler(
        "pc-batch",
        {"predictor": "reverse-diffusion", "corrector": "langevin", "snr": 0.16,
         "corrector_steps": 1, "denoise": True},
    ),
    "Gotta Go Fast adaptive SDE": Sampler("gotta-go-fast"),
    # Discrete processes.
    "DDIM": Sampler("ddim", {"eta": 0.0}),
    "DDIM eta=0": Sampler("ddim", {"eta": 0.0}),
    "DDIM eta=0.0": Sampler("ddim", {"eta": 0.0}),
    "DDIM eta=0.2": Sampler("ddim", {"eta": 0.2}),
    "DDIM eta=0.5": Sampler("ddim", {"eta": 0.5}),
    "DDIM eta=1.0": Sampler("ddim", {"eta": 1.0}),
    "DDIM eta=sigma-hat": Sampler("ddim", {"eta": 1.0}, "larger variance sigma-hat"),
    "DDIM (L_simple model)": Sampler("ddim", {"eta": 0.0}),
    "DDIM, original implementation": Sampler("ddim", {"eta": 0.0}, "original implementation"),
    f"DDIM{_GUIDED}": Sampler("ddim", {"eta": 0.0}),
    "ancestral": Sampler("ancestral"),
    "~ancestral predictor, no corrector": Sampler("ancestral"),
    "ancestral, fixed-large variance": Sampler("respaced", {"variance": "fixed_large"}),
    "fixed variance beta": Sampler("respaced", {"variance": "fixed_large"}),
    "fixed variance beta-tilde": Sampler("respaced", {"variance": "fixed_small"}),
    "fixed-variance ancestral, full T": Sampler("respaced", variant="which variance not stated"),
    "learned-variance ancestral": _LEARNED,
    "learned-variance ancestral, full T": _LEARNED,
    "learned-variance respacing": _LEARNED,
    "learned-variance respacing (L_hybrid)": _LEARNED,
    **{
        f"learned-variance respacing{_GUIDED} {printed}": Sampler(
            "respaced", {"variance": "learned", "guidance": scale}
        )
        for printed, scale in {
            "0.3": 0.3, "1": 1.0, "3": 3.0,
            "(README scale 0.5)": 0.5, "(README scale 1.0)": 1.0, "(README scale 4.0)": 4.0,
        }.items()
    },
    # Epsilon scaling (EDM-ES, ADM-ES): its scale is tuned anew for every NFE.
    **{
        f"{printed}{_SCALED}{scale}": Sampler(sampler.name, sampler.params, _SCALED[3:] + scale)
        for printed, sampler, scales in (
            ("EDM Heun", Sampler("heun"),
             ("b=0.9983", "b=0.9985", "b=1.0005", "b=1.0006", "b=1.0060", "b=1.0070")),
            ("Euler", Sampler("euler"),
             ("b=1.0034", "b=1.0035", "b=1.0043", "b=1.0045", "b=1.0048", "b=1.0051")),
            ("learned-variance respacing", _LEARNED,
             ("b=1.004", "b=1.005", "b=1.006", "b=1.007", "b=1.008", "b=1.011", "b=1.017",
              "k=0.0002 b=1.0041", "k=0.00022 b=1.00291", "k=0.0004 b=1.0042",
              "k=0.0008 b=1.0034", "k=0.0025 b=1.0")),
        )
        for scale in scales
    },
    # gDDIM.
    "gDDIM": Sampler("gddim", variant=ORDER_NOT_STATED),
    "gDDIM multistep": Sampler("gddim", variant="multistep, order not stated"),
    "gDDIM multistep, order 2": Sampler("gddim", variant="multistep, order 2"),
    "gDDIM multistep, K_t=L_t": Sampler("gddim", variant="multistep, K_t=L_t"),
    "gDDIM multistep, K_t=R_t": Sampler("gddim", variant="multistep, K_t=R_t"),
    **{
        printed: Sampler(name, {"lam": lam}, variant)
        for lam in (0.0, 0.1, 0.3, 0.5, 0.7, 1.0)
        for printed, name, variant in (
            (f"gDDIM stochastic lambda={lam}, no extrapolation", "gddim", "no extrapolation"),
            (f"Euler-Maruyama lambda={lam}", "euler-maruyama", ""),
        )
    },
    # Exponential integrators and linear multistep methods.
    "DEIS": Sampler("deis", variant=ORDER_NOT_STATED),
    "tAB-DEIS": Sampler("deis", {"mode": "tab"}, "order not stated"),
    # The paper's tABr fits a polynomial of degree r, through r + 1 points.
    "DEIS-tAB3": Sampler("deis", {"mode": "tab", "order": 4}),
    "DPM-Solver": Sampler("dpm-solver", variant=ORDER_NOT_STATED),
    "DPM-Solver (~fast variant)": Sampler("dpm-solver", variant="fast"),
    "DPM-Solver (multistep)": Sampler("dpm-solver", variant="multistep"),
    "DPM-Solver (singlestep, 3rd-order strategy)": Sampler(
        "dpm-solver", variant="singlestep, 3rd-order strategy"
    ),
    # The name that diff-sampler's tables have for its midpoint rule in sigma.
    "DPM-Solver-2": Sampler("dpm-2", {"r": 0.5}),
    "DPM-Solver-2 + AFS": Sampler("dpm-2", {"r": 0.5, "afs": True}),
    "~DPM-Solver-3": Sampler("dpm-solver-3"),
    "DPM-Solver++": Sampler("dpmpp", variant=ORDER_NOT_STATED),
    "DPM-Solver++ (singlestep)": Sampler("dpmpp", variant="singlestep"),
    f"DPM-Solver++{_GUIDED}": Sampler("dpmpp", variant=ORDER_NOT_STATED),
    f"DPM-Solver++(2M){_GUIDED}": Sampler("dpmpp-2m"),
    "DPM-Solver++(3M)": Sampler("dpmpp-3m", {"order": 3}),
    "DPM-Solver-v3": Sampler("dpm-solver-v3", variant="corrector tuned per NFE"),
    f"DPM-Solver-v3{_GUIDED}": Sampler("dpm-solver-v3", variant=ORDER_NOT_STATED),
    "DPM-Solver-v3 (singlestep)": Sampler("dpm-solver-v3", variant="singlestep"),
    "DPM-Solver-v3 order 1": Sampler("dpm-solver-v3", {"order": 1}),
    f"DPM-Solver-v3 (2nd){_GUIDED}": Sampler("dpm-solver-v3", {"order": 2}),
    "UniPC": Sampler("unipc", variant=ORDER_NOT_STATED),
    f"UniPC{_GUIDED}": Sampler("unipc", variant=ORDER_NOT_STATED),
    "UniPC-3 B1": Sampler("unipc", {"order": 3, "variant": "bh1"}),
    "UniPC-3": Sampler("unipc", {"order": 3}),
    "UniPC-3 (better of B1, B2)": Sampler("unipc", {"order": 3}, "better of B1 and B2 per NFE"),
    f"UniPC-2 B2{_GUIDED}": Sampler("unipc", {"order": 2, "variant": "bh2"}),
    "iPNDM": Sampler("ipndm", variant=ORDER_NOT_STATED),
    "iPNDM + GITS": Sampler("ipndm", variant=ORDER_NOT_STATED),
    "iPNDM-3": Sampler("ipndm", {"order": 3}, "end rules not stated"),
    "iPNDM-4": Sampler("ipndm", {"order": 4}),
    "iPNDM_v-4": Sampler("ipndm-v", {"order": 4}),
    "SciRE-v1-2 (singlestep, fixed)": Sampler("scire-v1-2", variant="singlestep"),
    "EVODiff": Sampler("evodiff"),
    f"EVODiff{_GUIDED}": Sampler("evodiff"),
    # Steps of a window at once, iterated until they agree.
    "ParaDiGMS": Sampler("paradigms", variant="window and tolerance not stated"),
    "RES(M)": Sampler("res-m"),
    "RBF-Solver": Sampler("rbf-solver"),
    # Better steps or corrections for a solver that keeps its rule.
    "Euler + PAS": Sampler("euler", variant="PAS correction"),
    "iPNDM + PAS": Sampler("ipndm", variant=f"{ORDER_NOT_STATED}, PAS correction"),
    "UniPC + DMN": Sampler("unipc", variant=ORDER_NOT_STATED),
    "UniPC-3 + DMN": Sampler("unipc", {"order": 3}),
    "UniPC-3 + GITS": Sampler("unipc", {"order": 3}),
    "iPNDM-3 + DMN": Sampler("ipndm", {"order": 3}, "end rules not stated"),
    "iPNDM-3 + GITS": Sampler("ipndm", {"order": 3}, "end rules not stated"),
    "LD3 (best base solver)": Sampler("ld3", variant="best base solver"),
    "DDIM + PFDiff": Sampler("pfdiff", variant="on DDIM"),
    f"DDIM + PFDiff{_GUIDED}": Sampler("pfdiff", variant="on DDIM"),
    # Learned or searched for.
    "AdaSDE": Sampler("adasde"),
    "AdaSDE plugin on DPM-Solver-2": Sampler("adasde-plugin", variant="on DPM-Solver-2"),
    "EPD-Solver": Sampler("epd-solver"),
    "EPD-Plugin on iPNDM": Sampler("epd-plugin", variant="on iPNDM"),
    "USF": Sampler("usf"),
    f"USF{_GUIDED}": Sampler("usf"),
    "S4S Alt": Sampler("s4s", variant="Alt"),
    "S4S LMS, re-implemented": Sampler("s4s", variant="LMS, re-implemented"),
    "S4S LMS+PC, re-implemented": Sampler("s4s", variant="LMS+PC, re-implemented"),
    "GS": Sampler("gs"),
    "GS trained on FFHQ": Sampler("gs", variant="trained on FFHQ"),
    "GS trained on AFHQv2": Sampler("gs", variant="trained on AFHQv2"),
    "GAS": Sampler("gas"),
    "GAS trained on FFHQ": Sampler("gas", variant="trained on FFHQ"),
    "GAS trained on AFHQv2": Sampler("gas", variant="trained on AFHQv2"),
    # Networks made for few evaluations; what they do is no solver of their teacher's ODE.
    "one step": Sampler("one-step"),
    "two steps": Sampler("two-step"),
    "few steps of the distilled network": Sampler("few-step"),
    "AMED-Solver": Sampler("amed-solver"),
    "AMED-Plugin": Sampler("amed-plugin", variant="on which solver not stated"),
    "AMED-Plugin on DPM-Solver-2": Sampler("amed-plugin", variant="on DPM-Solver-2"),
    "AMED-Plugin on iPNDM": Sampler("amed-plugin", variant="on iPNDM"),
}  # fmt: skip


# Where diff-sampler's end rules are the usual ones and other code has others.
_ENDS_DIFFER = frozenset({"dpmpp-3m", "unipc"})


def like_diff_sampler(sampler: Sampler) -> Sampler:
    """As diff-sampler's tables are made: down to sigma_min, each data prediction thresholded."""
    ends = {"final": "sigma_min"}
    thresholding = {"thresholding": True} if sampler.name in _ENDS_DIFFER else {}
    return replace(sampler, params={**sampler.params, **ends, **thresholding})


def like_others(sampler: Sampler) -> Sampler:
    """As other code makes them, whose end rules nobody prints."""
    if sampler.name not in _ENDS_DIFFER:
        return sampler
    variant = ", ".join(filter(None, (sampler.variant, "end rules not stated")))
    return replace(sampler, variant=variant)


def sampler_of(printed: str, model: str) -> Sampler:
    """The algorithm that a row's source calls `printed`, on checkpoint `model`.

    Raises:
        KeyError: a name that is not in the table.
    """
    found = NAMES[printed]
    return TUNED[model] if found is None else found

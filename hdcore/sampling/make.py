"""Samplers by name."""

from __future__ import annotations

import math
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from hdcore.errors import InputError
from hdcore.sampling.base import Sampler
from hdcore.sampling.grid import GridSampler
from hdcore.sampling.random import RandomSampler
from hdcore.sampling.sobol import SobolSampler

_KEYS = ("type", "rule", "seed", "logbase")
_NAMES = {
    "random": "random",
    "sobol": "sobol",
    "grid": "grid",
    "bayesian": "bayesian",
    "bayesianoptimization": "bayesian",
}


def make_sampler(spec: str | Mapping[str, Any] | Sampler) -> Sampler:
    """Return a sampler from its name, its JSON form, or itself.

    Parameters
    ----------
    spec : str, mapping or Sampler
        "random", "sobol", "grid", "bayesian" in any case; ``{"type": "random", "rule": "sobol"}``; or an object with
        the `Sampler` protocol. A `seed` in the mapping belongs to the sweep and is not used here.

    Raises
    ------
    InputError
        If there is no such sampler; `field` says what is wrong.
    """
    if isinstance(spec, str):
        spec = {"type": spec}
    if not isinstance(spec, Mapping):
        if isinstance(spec, Sampler):
            return spec
        raise InputError(f"the sampler is {spec!r}; write one of {_list(_NAMES)}", field="sampler")
    for key in spec:
        if key not in _KEYS:
            raise InputError(f"a sampler has no {key!r}; it has {_list(_KEYS)}", field=f"sampler.{key}")
    kind = _word(spec.get("type", "random"), _NAMES, "sampler.type")
    rule = spec.get("rule")
    rule = None if rule is None else _word(rule, {"random": "random", "sobol": "sobol"}, "sampler.rule")
    if rule is not None and kind not in ("random", "sobol"):
        raise InputError(f"the {kind} sampler has no rule; remove it", field="sampler.rule")
    base = spec.get("logbase")
    if base is not None and base != "e" and base != math.e:
        raise InputError(
            f"logbase is {base!r}, which belongs to the space: use SearchSpace(…).with_log_base({base!r})",
            field="sampler.logbase",
        )
    if kind == "bayesian":
        from hdcore.sampling.bayesian import BayesianSampler  # loads the kernels of the model

        return BayesianSampler()
    if kind == "grid":
        return GridSampler()
    return SobolSampler() if "sobol" in (kind, rule) else RandomSampler()


def _word(value: Any, known: Mapping[str, str], field: str) -> str:
    word = str(value).lower()
    if isinstance(value, str) and word in known:
        return known[word]
    near = get_close_matches(word, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"write one of {_list(known)}"
    raise InputError(f"{field} is {value!r}; {hint}", field=field)


def _list(words: Any) -> str:
    return ", ".join(repr(word) for word in words)

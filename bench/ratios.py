"""Hold the figures of a benchmark run against what is claimed: a table, and exit code 1 where a claim does not hold.

    pytest bench --benchmark-only --benchmark-json=RESULT.json && python bench/ratios.py RESULT.json

A claim of ``claims.toml`` names a benchmark (``test_name[case]``) and one of its figures: a key of ``extra_info``, or
``min`` for the least time; `per` names another one to divide by. Claims whose benchmarks did not run are listed, and
fail with ``--all`` only. Several results count together.
"""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path
from typing import Any

CLAIMS = Path(__file__).with_name("claims.toml")


def read_claims() -> list[dict[str, Any]]:
    """Return the claims."""
    found: list[dict[str, Any]] = tomllib.loads(CLAIMS.read_text(encoding="utf-8"))["claim"]
    return found


def by_name(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the benchmarks of a result by their names, with the class where there is one: ``TestAsk::test_hdcore``."""
    return {
        benchmark.get("fullname", "").partition("::")[2] or benchmark["name"]: benchmark
        for benchmark in document["benchmarks"]
    }


def figure(results: dict[str, dict[str, Any]], what: dict[str, str]) -> float | None:
    """Return a figure of a benchmark; None if it did not run."""
    found = results.get(what["benchmark"])
    if found is None:
        return None
    value = found["stats"]["min"] if what["figure"] == "min" else found["extra_info"].get(what["figure"])
    return None if value is None else float(value)


def measured(results: dict[str, dict[str, Any]], claim: dict[str, Any]) -> float | None:
    """Return what a claim is about; None if it was not measured."""
    value = figure(results, claim)
    if value is None or "per" not in claim:
        return value
    base = figure(results, claim["per"])
    return None if not base else value / base


def holds(claim: dict[str, Any], value: float) -> bool:
    """Whether a figure is on the right side of what is claimed."""
    return value <= claim["at_most"] if "at_most" in claim else value >= claim["at_least"]


def main(arguments: list[str]) -> int:
    """Print the table; return the exit code."""
    files = [argument for argument in arguments if not argument.startswith("-")]
    unknown = {argument for argument in arguments if argument.startswith("-")} - {"--all"}
    if not files or unknown:
        print("usage: python bench/ratios.py [--all] RESULT.json...", file=sys.stderr)
        return 2
    results: dict[str, dict[str, Any]] = {}
    for file in files:
        try:
            results |= by_name(json.loads(Path(file).read_text(encoding="utf-8")))
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            print(f"{file}: is no result of pytest --benchmark-json ({error})", file=sys.stderr)
            return 2
    claims = read_claims()
    failed = missing = 0
    for claim in claims:
        value = measured(results, claim)
        bound = f"<= {claim['at_most']:g}" if "at_most" in claim else f">= {claim['at_least']:g}"
        if value is None:
            word, missing = "not run", missing + 1
        else:
            word = "holds" if holds(claim, value) else "FAILS"
            failed += word == "FAILS"
        print(f"{word:8}{'' if value is None else f'{value:.4g}':>10}  {bound:>9}  {claim['says']}")
    print(f"{len(claims)} claims: {len(claims) - failed - missing} hold, {failed} fail, {missing} were not run")
    return 1 if failed or (missing and "--all" in arguments) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

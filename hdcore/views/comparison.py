"""What `hdcore replay` tells: a table, a recommendation in words, and all of it as JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hdcore.views.text import plural, printable, shown

if TYPE_CHECKING:
    from hdcore.policies import Comparison, Effect, Policy, Record

_GAP = 2


def table(comparison: Comparison, chosen: Sequence[Effect], ran: Policy | None, width: int) -> list[str]:
    """Draw the chosen settings, the largest saving first, in lines that fit `width`.

    Columns that do not fit are left out, from the right; the name of a setting is cut last.
    """
    ordered = sorted(chosen, key=lambda effect: (-effect.saved, effect.loss))
    many, is_tried = len(comparison.records), any(effect.orders for effect in ordered)
    columns: list[tuple[str, list[str], bool]] = [
        ("", [_mark(effect, comparison, ran) for effect in ordered], False),
        ("policy", [name_of(effect) for effect in ordered], False),
        ("saved", [f"{effect.saved:.0%}" for effect in ordered], True),
    ]
    if is_tried:
        columns.append(("5-95%", [_between(effect) for effect in ordered], True))
    columns.append(("best", [_kept(effect, many) for effect in ordered], True))
    if is_tried:
        columns.append(("kept", [_share(effect.kept_share) for effect in ordered], True))
    columns.append(("gap", [shown(effect.gap, 3) if effect.gap else "0" for effect in ordered], True))
    if any(effect.saved_s is not None for effect in ordered):
        columns.append(("time saved", [_duration(effect.saved_s) for effect in ordered], True))
    columns.append(("ranks", ["-" if math.isnan(e.correlation) else f"{e.correlation:.2f}" for e in ordered], True))
    if any(effect.unseen for effect in ordered):
        columns.append(("unseen", [str(effect.unseen) if effect.unseen else "" for effect in ordered], True))
    widths = [max(len(title), *(len(cell) for cell in cells)) for title, cells, _ in columns]
    while len(columns) > 4 and sum(widths) + _GAP * (len(widths) - 1) > width:
        del columns[-1], widths[-1]
    rest = sum(widths) - widths[1] + _GAP * (len(widths) - 1)
    widths[1] = max(min(widths[1], width - rest), 8)
    lines = []
    for row in range(-1, len(ordered)):
        cells = []
        for (title, texts, is_right), room in zip(columns, widths, strict=True):
            text = title if row < 0 else texts[row]
            text = text if len(text) <= room else text[: room - 1] + "…"
            cells.append(text.rjust(room) if is_right else text.ljust(room))
        lines.append((" " * _GAP).join(cells).rstrip())
    return lines


def name_of(effect: Effect) -> str:
    """Return the setting as `--policy` takes it."""
    from hdcore.policies import to_text

    return to_text(effect.policy)


def sentence(comparison: Comparison) -> str:
    """Return what is recommended, in words."""
    best, many = comparison.recommended, len(comparison.records)
    if best is None:
        least = min(comparison.effects, key=lambda effect: (effect.loss, -effect.saved), default=None)
        if least is None or least.saved <= 0:
            return "no setting would have saved anything"
        share = "" if math.isnan(least.kept_share) else f", in {1 - least.kept_share:.0%} of the start orders"
        return f"no setting keeps the best run for sure; {name_of(least)} loses it least often{share}"
    found = f"{name_of(best)} would have saved {best.saved:.0%} and kept the best"
    if many > 1:
        found += f" of all {many} sweeps"
    if best.orders:
        found += (
            f"; over {plural(best.orders, 'start order')} {best.saved_low:.0%} to {best.saved_high:.0%},"
            f" the best kept in {_share(best.kept_share)}"
        )
    return found


def _mark(effect: Effect, comparison: Comparison, ran: Policy | None) -> str:
    """A recommended setting, one on the front, the one that ran."""
    mark = "»" if effect is comparison.recommended else "*" if effect.on_front else ""
    return mark + ("r" if ran is not None and effect.policy == ran else "")


def _between(effect: Effect) -> str:
    return "" if math.isnan(effect.saved_low) else f"{100 * effect.saved_low:.0f}-{effect.saved_high:.0%}"


def _kept(effect: Effect, many: int) -> str:
    if many == 1:
        return "kept" if effect.kept else "lost"
    return f"{effect.kept}/{many}"


def _share(share: float) -> str:
    """Return a share in percent that is rounded to all or none only if it is that."""
    if math.isnan(share):
        return ""
    return f"{share:.0%}" if share in (0.0, 1.0) or 0.005 <= share < 0.995 else f"{share:.1%}"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    if abs(seconds) < 60:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if abs(seconds) < 3600 else f"{seconds / 3600:.1f} h"


def title(comparison: Comparison) -> str:
    """Return what was replayed."""
    parts = []
    for record in comparison.records:
        runs = len(record.curves) - record.earlier
        parts.append(f"{printable(record.name)} ({plural(runs, 'run')} x {record.curves.shape[1]})")
    settings = plural(len(comparison.effects), "setting")
    tried = max((effect.orders for effect in comparison.effects), default=0)
    orders = f", {plural(tried, 'start order')}" if tried else ""
    return f"{', '.join(parts)}: {settings}{orders}"


def notes(comparison: Comparison, ran: Policy | None) -> list[str]:
    """Return what has to be known beside the table: runs whose end nobody saw, and whether the past repeats itself."""
    found = []
    cut = sum(int((record.cut > 0).sum()) for record in comparison.records if record.cut is not None)
    if cut:
        found.append(f"{plural(cut, 'run')} were stopped early in fact: what is behind that is not known ('unseen')")
    if ran is not None and comparison.records[0].events is not None:
        found += [_repeated(effect, comparison.records[0]) for effect in comparison.effects if effect.policy == ran]
    return found


def _repeated(effect: Effect, record: Record) -> str:
    """Say whether the policy that ran does the same again."""
    assert record.cut is not None
    cut = record.cut[: len(record.curves) - record.earlier]
    same = int(((cut == effect.stopped_at[0]) & (cut > 0)).sum())
    if (cut == effect.stopped_at[0]).all():
        return f"the policy that ran (r), replayed, stops the same {plural(same, 'run')} at the same intervals"
    return (
        f"the policy that ran (r), replayed, stops {plural(int((effect.stopped_at[0] > 0).sum()), 'run')},"
        f" {same} of them as in fact: runs were started again, or their order is not recorded"
    )


def document(comparison: Comparison, ran: Policy | None = None, *, with_stops: bool = True) -> dict[str, Any]:
    """Return everything as plain data for JSON; `with_stops` adds for each setting where it stops each run."""

    def number(value: float | None) -> float | None:
        return None if value is None or not math.isfinite(value) else value

    settings: list[dict[str, Any]] = []
    for effect in comparison.effects:
        setting = {
            "policy": name_of(effect),
            "saved": effect.saved,
            "saved_s": number(effect.saved_s),
            "best_kept": effect.kept == len(comparison.records),
            "sweeps_kept": effect.kept,
            "gap": number(effect.gap),
            "rank_correlation": number(effect.correlation),
            "unseen": effect.unseen,
            "orders": effect.orders,
            "saved_low": number(effect.saved_low),
            "saved_high": number(effect.saved_high),
            "kept_share": number(effect.kept_share),
            "mean_gap": number(effect.mean_gap),
            "on_front": effect.on_front,
        }
        if with_stops:
            setting["stopped_at"] = [stops.tolist() for stops in effect.stopped_at]
        settings.append(setting)
    return {
        "sweeps": [
            {
                "name": record.name,
                "runs": len(record.curves) - record.earlier,
                "intervals": record.curves.shape[1],
                "workers": record.workers,
                "as_recorded": record.events is not None,
            }
            for record in comparison.records
        ],
        "ran": None if ran is None else next((name_of(e) for e in comparison.effects if e.policy == ran), None),
        "recommended": None if comparison.recommended is None else name_of(comparison.recommended),
        "sentence": sentence(comparison),
        "notes": notes(comparison, ran),
        "settings": settings,
    }

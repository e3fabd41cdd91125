"""What a part of the soak found: rows of a table, each with what was tried and whether anything was violated."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    what: str
    tried: str
    result: str
    is_ok: bool = True
    violations: tuple[str, ...] = ()


def row(what: str, tried: str, violations: Sequence[object], fine: str) -> Row:
    """`fine` when there are no violations, otherwise how many and the first of them."""
    if not violations:
        return Row(what, tried, fine)
    texts = tuple(str(found) for found in violations)
    return Row(what, tried, f"{len(texts)} WRONG: " + "; ".join(text[:200] for text in texts[:3]), False, texts)


def table(rows: Sequence[Row]) -> str:
    def cell(text: str) -> str:
        return text.replace("|", "\\|").replace("\n", " ")

    lines = [f"| {cell(found.what)} | {cell(found.tried)} | {cell(found.result)} |" for found in rows]
    return "\n".join(["| what | tried | result |", "|---|---|---|", *lines])


def percentile(values: Sequence[float], part: float) -> float:
    """The value that `part` of all are not above; 0 without any."""
    return sorted(values)[max(0, math.ceil(part * len(values)) - 1)] if values else 0.0

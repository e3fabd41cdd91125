"""Seconds, bytes and energy as they are read."""

from __future__ import annotations


def duration(seconds: float) -> str:
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if rest else f"{minutes} min"


def size(count: float) -> str:
    """`count` in bytes."""
    if count >= 1e9:
        return f"{count / 1e9:.1f} GB"
    return f"{count / 1e6:.0f} MB" if count >= 1e7 else f"{count / 1e6:.1f} MB"


def energy(watt_hours: float, is_measured: bool) -> str:
    amount = f"{watt_hours:.0f}" if watt_hours >= 10 else f"{watt_hours:.2g}"
    if watt_hours < 0.001:
        amount = "less than 0.001"
    return f"{amount} Wh ({'measured' if is_measured else 'estimated'})"

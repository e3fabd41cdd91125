"""What was swept or taken down, when and why, so that its owner is told. Knows no clips."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from studio.store.database import Database

Reason = Literal["age", "size", "keeper"]
KEEPER: Reason = "keeper"


@dataclass(frozen=True)
class Removal:
    """So many clips of one owner that were removed together; `number` grows."""

    number: int
    clips: int
    reason: Reason
    removed_s: float


class Removals:
    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, owner: str, reason: str, removed_s: float) -> None:
        """Note one clip more that was removed at that time."""
        together = owner, reason, removed_s
        with self._database.transaction() as connection:
            known = connection.execute(
                "UPDATE removals SET clips = clips + 1 WHERE owner = ? AND reason = ? AND removed_s = ?", together
            )
            if not known.rowcount:
                connection.execute(
                    "INSERT INTO removals (owner, reason, removed_s, clips) VALUES (?, ?, ?, 1)", together
                )

    def forget(self, before_s: float) -> None:
        """Remove the notes of what went before that time."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM removals WHERE removed_s < ?", (before_s,))

    def newest(self, owner: str, limit: int) -> list[Removal]:
        rows = self._database.rows("SELECT * FROM removals WHERE owner = ? ORDER BY number DESC LIMIT ?", owner, limit)
        return [Removal(row["number"], row["clips"], row["reason"], row["removed_s"]) for row in rows]

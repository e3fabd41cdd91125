"""Whose pictures are kept: their files are named by content, and only who sent one may use it. Knows no files."""

from __future__ import annotations

import time

from studio.store.database import Database

DAY_S = 24 * 3600


class Pictures:
    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, owner: str, name: str) -> None:
        """Note that `owner` has this picture; again means again from now."""
        with self._database.transaction() as connection:
            connection.execute(
                """INSERT INTO pictures (owner, name, kept_s) VALUES (?, ?, ?)
                ON CONFLICT (owner, name) DO UPDATE SET kept_s = excluded.kept_s""",
                (owner, name, time.time()),
            )

    def is_of(self, owner: str, name: str) -> bool:
        return self._database.row("SELECT 1 FROM pictures WHERE owner = ? AND name = ?", owner, name) is not None

    def count_today(self, owner: str) -> int:
        """How many the owner sent within the last day."""
        row = self._database.row(
            "SELECT count(*) AS sent FROM pictures WHERE owner = ? AND kept_s > ?", owner, time.time() - DAY_S
        )
        return row["sent"] if row else 0

    def in_use(self) -> set[str]:
        """Names that a clip refers to or a job that may still become one, or that were sent within the last day."""
        rows = self._database.rows(
            """WITH requests AS (
                SELECT request FROM clips
                UNION ALL SELECT request FROM jobs WHERE state IN ('queued', 'running') OR can_finish
            )
            SELECT json_extract(request, '$.picture') AS name FROM requests
            UNION SELECT json_extract(request, '$.last_picture') FROM requests
            UNION SELECT name FROM pictures WHERE kept_s > ?""",
            time.time() - DAY_S,
        )
        return {row["name"] for row in rows if row["name"]}

    def forget_all_but(self, names: set[str]) -> None:
        """Of those that were not sent within the last day."""
        with self._database.transaction() as connection:
            old = connection.execute("SELECT DISTINCT name FROM pictures WHERE kept_s <= ?", (time.time() - DAY_S,))
            gone = {row["name"] for row in old} - names
            connection.executemany("DELETE FROM pictures WHERE name = ?", [(name,) for name in gone])

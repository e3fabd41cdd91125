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
        """Names that some kept request refers to, or that were sent within the last day."""
        rows = self._database.rows(
            """SELECT json_extract(request, '$.picture') AS name FROM jobs
            UNION SELECT json_extract(request, '$.picture') FROM clips
            UNION SELECT json_extract(request, '$.last_picture') FROM jobs
            UNION SELECT json_extract(request, '$.last_picture') FROM clips
            UNION SELECT name FROM pictures WHERE kept_s > ?""",
            time.time() - DAY_S,
        )
        return {row["name"] for row in rows if row["name"]}

    def forget_all_but(self, names: set[str]) -> None:
        with self._database.transaction() as connection:
            known = {row["name"] for row in connection.execute("SELECT DISTINCT name FROM pictures")}
            connection.executemany("DELETE FROM pictures WHERE name = ?", [(name,) for name in known - names])

"""The rows of finished clips. Knows nothing of the files that belong to them."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import asdict

from studio.domain import Clip, Made, VideoRequest
from studio.store.database import Database


class Clips:
    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, clip: Clip) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO clips (id, request, created_s, made, video, poster) VALUES (?, ?, ?, ?, ?, ?)",
                (
                    clip.id,
                    clip.request.to_json(),
                    clip.created_s,
                    json.dumps(asdict(clip.made)),
                    clip.video,
                    clip.poster,
                ),
            )

    def get(self, clip_id: str) -> Clip | None:
        row = self._database.row("SELECT * FROM clips WHERE id = ?", clip_id)
        return _clip(row) if row else None

    def newest(self, limit: int, before_s: float | None = None) -> list[Clip]:
        """Newest first; `before_s` is the `created_s` of the last clip of the page before."""
        rows = self._database.rows(
            "SELECT * FROM clips WHERE ? IS NULL OR created_s < ? ORDER BY created_s DESC LIMIT ?",
            before_s,
            before_s,
            limit,
        )
        return [_clip(row) for row in rows]

    def ids(self) -> set[str]:
        return {row["id"] for row in self._database.rows("SELECT id FROM clips")}

    def remove(self, clip_id: str) -> bool:
        """Remove the row, and with it the job that made the clip; whether there was one."""
        with self._database.transaction() as connection:
            return connection.execute("DELETE FROM clips WHERE id = ?", (clip_id,)).rowcount > 0


def _clip(row: sqlite3.Row) -> Clip:
    return Clip(
        id=row["id"],
        request=VideoRequest.from_dict(json.loads(row["request"])),
        created_s=row["created_s"],
        made=Made(**json.loads(row["made"])),
        video=row["video"],
        poster=row["poster"],
    )

"""The rows of finished clips. Knows nothing of the files that belong to them."""

from __future__ import annotations

import json
import sqlite3
import time
from dataclasses import asdict, dataclass

from studio.domain import Clip, Made, VideoRequest
from studio.store.database import Database

# Who made a clip shall see it, however little room favourites leave.
FRESH_S = 600


@dataclass(frozen=True)
class Sought:
    """Which clips are looked for: whose prompts, all parts' together, hold all of these words or parts, in any case."""

    words: tuple[str, ...] = ()
    is_favourite: bool = False


EVERYTHING = Sought()
_PROMPTS = "json_extract(request, '$.prompt') || ' ' || coalesce(json_extract(made, '$.earlier_prompts'), '')"


class Clips:
    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, clip: Clip, size_bytes: int = 0) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                """INSERT INTO clips (id, request, created_s, made, video, poster, owner, bytes)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?)""",
                (
                    clip.id,
                    clip.request.to_json(),
                    clip.created_s,
                    json.dumps(asdict(clip.made)),
                    clip.video,
                    clip.poster,
                    clip.owner,
                    size_bytes,
                ),
            )

    def get(self, clip_id: str) -> Clip | None:
        row = self._database.row("SELECT rowid, * FROM clips WHERE id = ?", clip_id)
        return _clip(row) if row else None

    def of_film(self, video: str) -> Clip | None:
        """The clip whose film has that file name."""
        row = self._database.row("SELECT rowid, * FROM clips WHERE video = ?", video)
        return _clip(row) if row else None

    def newest(
        self, limit: int, before: int | None = None, owner: str | None = None, sought: Sought = EVERYTHING
    ) -> list[Clip]:
        """Newest first, everybody's or one owner's; `before` is the `number` of the last clip of the page before."""
        condition, values = _of(owner)
        if sought.is_favourite:
            condition += " AND is_favourite"
        for word in sought.words:
            condition += f" AND instr(fold({_PROMPTS}), ?)"
            values += (word.casefold(),)
        return self._newest(condition, values, limit, before)

    def shown(self, limit: int, before: int | None = None) -> list[Clip]:
        """Those that their owners put into the showcase, newest first."""
        return self._newest("is_shown", (), limit, before)

    def _newest(self, condition: str, values: tuple, limit: int, before: int | None) -> list[Clip]:
        # By number, not by time: a clock that was set back must not bury what was made since.
        rows = self._database.rows(
            f"SELECT rowid, * FROM clips WHERE {condition} AND (? IS NULL OR rowid < ?) ORDER BY rowid DESC LIMIT ?",
            *values,
            before,
            before,
            limit,
        )
        return [_clip(row) for row in rows]

    def all(self) -> list[Clip]:
        return [_clip(row) for row in self._database.rows("SELECT rowid, * FROM clips")]

    def bytes(self, owner: str | None = None) -> int:
        """What the videos and posters take on the disk: everybody's, or one owner's."""
        condition, values = _of(owner)
        row = self._database.row(f"SELECT coalesce(sum(bytes), 0) AS bytes FROM clips WHERE {condition}", *values)
        return row["bytes"] if row else 0

    def overdue(self, before_s: float | None, most_bytes: int | None) -> list[tuple[Clip, str]]:
        """What is to be swept, oldest first, with the reason: made before a time, or above so many bytes together.

        A favourite is never among them, but its bytes count; nor for its bytes what is newer than FRESH_S.
        No clip is older than those before it, whatever a clock said that was behind.
        """
        now_s, newest_s = time.time(), 0.0
        rows = self._database.rows("SELECT rowid, * FROM clips ORDER BY rowid")
        surplus = sum(row["bytes"] for row in rows) - most_bytes if most_bytes is not None else 0
        found: list[tuple[Clip, str]] = []
        for row in rows:
            if row["created_s"] <= now_s:  # a clock that was ahead tells nothing of those after it
                newest_s = max(newest_s, row["created_s"])
            made_s = max(newest_s, row["created_s"])
            is_old = before_s is not None and made_s < before_s
            is_surplus = surplus > 0 and made_s < now_s - FRESH_S
            if row["is_favourite"] or not (is_old or is_surplus):
                continue
            found.append((_clip(row), "age" if is_old else "size"))
            surplus -= row["bytes"]
        return found

    def favour(self, clip_id: str, is_favourite: bool) -> None:
        with self._database.transaction() as connection:
            connection.execute("UPDATE clips SET is_favourite = ? WHERE id = ?", (is_favourite, clip_id))

    def show(self, clip_id: str, is_shown: bool) -> None:
        with self._database.transaction() as connection:
            connection.execute("UPDATE clips SET is_shown = ? WHERE id = ?", (is_shown, clip_id))

    def remove(self, clip_id: str) -> bool:
        """Remove the row, and with it the job that made the clip; whether there was one."""
        with self._database.transaction() as connection:
            return connection.execute("DELETE FROM clips WHERE id = ?", (clip_id,)).rowcount > 0


def _of(owner: str | None) -> tuple[str, tuple[str, ...]]:
    """The condition, and its values, for one owner's clips or everybody's; one for both would keep the index unused."""
    return ("1", ()) if owner is None else ("owner = ?", (owner,))


def _clip(row: sqlite3.Row) -> Clip:
    return Clip(
        id=row["id"],
        request=VideoRequest.from_dict(json.loads(row["request"])),
        created_s=row["created_s"],
        made=Made.from_dict(json.loads(row["made"])),
        video=row["video"],
        poster=row["poster"],
        owner=row["owner"],
        is_favourite=bool(row["is_favourite"]),
        is_shown=bool(row["is_shown"]),
        number=row["rowid"],
    )

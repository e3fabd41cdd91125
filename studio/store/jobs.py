"""The rows of accepted jobs, in the order they came. Knows what was asked for and how it ended, not how it goes."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from studio.domain import EVERYONE, VideoRequest
from studio.store.database import Database

State = Literal["queued", "running", "done", "failed", "stopped"]


@dataclass(frozen=True)
class JobRow:
    """One job as it is written down; `clip` is set when it is done, `sentence` when it failed."""

    id: str
    request: VideoRequest
    created_s: float
    state: State
    attempts: int = 0
    sentence: str = ""
    clip: str | None = None
    owner: str = EVERYONE
    ended_s: float | None = None
    can_finish: bool = False


class Jobs:
    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, row: JobRow) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO jobs (id, request, created_s, state, attempts, owner) VALUES (?, ?, ?, ?, ?, ?)",
                (row.id, row.request.to_json(), row.created_s, row.state, row.attempts, row.owner),
            )

    def get(self, job_id: str) -> JobRow | None:
        row = self._database.row("SELECT * FROM jobs WHERE id = ?", job_id)
        return _job(row) if row else None

    def unfinished(self) -> list[JobRow]:
        """Running first, then queued, each in the order they were accepted."""
        rows = self._database.rows(
            "SELECT * FROM jobs WHERE state IN ('running', 'queued') ORDER BY state = 'queued', number"
        )
        return [_job(row) for row in rows]

    def count_queued(self, owner: str | None = None) -> int:
        """How many wait: everybody's, or one owner's."""
        row = self._database.row(
            "SELECT count(*) AS queued FROM jobs WHERE state = 'queued' AND (? IS NULL OR owner = ?)", owner, owner
        )
        return row["queued"] if row else 0

    def start_next(self, has_room: Callable[[str], bool] = lambda _model: True) -> JobRow | None:
        """Turn the oldest queued job whose model `has_room` to running, one attempt more; None when there is none."""
        with self._database.transaction() as connection:
            waiting = connection.execute(
                """SELECT json_extract(request, '$.model') AS model, min(number) AS oldest FROM jobs
                WHERE state = 'queued' GROUP BY model ORDER BY oldest"""
            ).fetchall()
            number = next((row["oldest"] for row in waiting if has_room(row["model"])), None)
            rows = connection.execute(
                """UPDATE jobs SET state = 'running', attempts = attempts + 1, ended_s = NULL
                WHERE number = ? RETURNING *""",
                (number,),
            ).fetchall()
            return _job(rows[0]) if rows else None

    def stop_queued(self, job_id: str) -> bool:
        """Stop the job if it still waits; whether it did."""
        with self._database.transaction() as connection:
            cursor = connection.execute(
                "UPDATE jobs SET state = 'stopped', ended_s = ? WHERE id = ? AND state = 'queued'",
                (time.time(), job_id),
            )
            return cursor.rowcount > 0

    def finish(
        self, job_id: str, state: State, sentence: str = "", clip: str | None = None, can_finish: bool = False
    ) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE jobs SET state = ?, sentence = ?, clip = ?, can_finish = ?, ended_s = ? WHERE id = ?",
                (state, sentence, clip, can_finish, time.time(), job_id),
            )

    def queue_again(self, job_id: str) -> bool:
        """Queue a failed job whose latents are kept, with all its attempts; whether there was such a job."""
        with self._database.transaction() as connection:
            cursor = connection.execute(
                """UPDATE jobs SET state = 'queued', attempts = 0, sentence = '', can_finish = 0
                WHERE id = ? AND state = 'failed' AND can_finish""",
                (job_id,),
            )
            return cursor.rowcount > 0

    def put_back(self, job_id: str) -> None:
        """Queue a running job again in its old place, as if this attempt had not been."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE jobs SET state = 'queued', attempts = attempts - 1 WHERE id = ? AND state = 'running'",
                (job_id,),
            )

    def take_up_again(self, max_attempts: int, sentence: str) -> None:
        """After a crash: queue what was running, but fail with `sentence` what was tried `max_attempts` times.

        Of these it is still to be seen whether their latents are kept.
        """
        with self._database.transaction() as connection:
            connection.execute(
                """UPDATE jobs SET state = 'failed', sentence = ?, ended_s = ?, can_finish = 1
                WHERE state = 'running' AND attempts >= ?""",
                (sentence, time.time(), max_attempts),
            )
            connection.execute("UPDATE jobs SET state = 'queued' WHERE state = 'running'")

    def with_latents(self) -> set[str]:
        """Ids of the jobs that may still go on from finished latents."""
        rows = self._database.rows("SELECT id FROM jobs WHERE state IN ('queued', 'running') OR can_finish")
        return {row["id"] for row in rows}

    def finishable(self, before_s: float) -> set[str]:
        """Ids of the jobs that failed before that time and may still go on from finished latents."""
        rows = self._database.rows(
            "SELECT id FROM jobs WHERE state = 'failed' AND can_finish AND ended_s < ?", before_s
        )
        return {row["id"] for row in rows}

    def extended(self) -> set[str]:
        """Ids of the clips that a job goes on from, or may yet."""
        rows = self._database.rows(
            """SELECT json_extract(request, '$.extends') AS clip FROM jobs
            WHERE state IN ('queued', 'running') OR can_finish"""
        )
        return {row["clip"] for row in rows if row["clip"]}

    def cannot_finish(self, job_ids: set[str]) -> None:
        """Their latents are gone."""
        with self._database.transaction() as connection:
            connection.executemany("UPDATE jobs SET can_finish = 0 WHERE id = ?", [(job_id,) for job_id in job_ids])

    def forget(self, before_s: float) -> None:
        """Remove what ended before that time without a clip and can't be finished."""
        with self._database.transaction() as connection:
            connection.execute(
                "DELETE FROM jobs WHERE state IN ('failed', 'stopped') AND NOT can_finish AND ended_s < ?", (before_s,)
            )

    def newest_failures(self, limit: int) -> list[JobRow]:
        rows = self._database.rows("SELECT * FROM jobs WHERE state = 'failed' ORDER BY number DESC LIMIT ?", limit)
        return [_job(row) for row in rows]

    def count_by_state(self) -> dict[str, int]:
        rows = self._database.rows("SELECT state, count(*) AS jobs FROM jobs GROUP BY state")
        return {row["state"]: row["jobs"] for row in rows}


def _job(row: sqlite3.Row) -> JobRow:
    return JobRow(
        id=row["id"],
        request=VideoRequest.from_dict(json.loads(row["request"])),
        created_s=row["created_s"],
        state=row["state"],
        attempts=row["attempts"],
        sentence=row["sentence"],
        clip=row["clip"],
        owner=row["owner"],
        ended_s=row["ended_s"],
        can_finish=bool(row["can_finish"]),
    )

"""The rows of accepted jobs, in the order they came. Knows what was asked for and how it ended, not how it goes."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from typing import Literal

from studio.domain import VideoRequest
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


class Jobs:
    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, row: JobRow) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO jobs (id, request, created_s, state, attempts) VALUES (?, ?, ?, ?, ?)",
                (row.id, row.request.to_json(), row.created_s, row.state, row.attempts),
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

    def count_queued(self) -> int:
        row = self._database.row("SELECT count(*) AS queued FROM jobs WHERE state = 'queued'")
        return row["queued"] if row else 0

    def start_next(self) -> JobRow | None:
        """Turn the oldest queued job to running, one attempt more; None when nothing waits."""
        with self._database.transaction() as connection:
            rows = connection.execute(
                """UPDATE jobs SET state = 'running', attempts = attempts + 1
                WHERE number = (SELECT min(number) FROM jobs WHERE state = 'queued') RETURNING *"""
            ).fetchall()
            return _job(rows[0]) if rows else None

    def stop_queued(self, job_id: str) -> bool:
        """Stop the job if it still waits; whether it did."""
        with self._database.transaction() as connection:
            cursor = connection.execute(
                "UPDATE jobs SET state = 'stopped' WHERE id = ? AND state = 'queued'", (job_id,)
            )
            return cursor.rowcount > 0

    def finish(self, job_id: str, state: State, sentence: str = "", clip: str | None = None) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE jobs SET state = ?, sentence = ?, clip = ? WHERE id = ?", (state, sentence, clip, job_id)
            )

    def put_back(self, job_id: str) -> None:
        """Queue a running job again in its old place, as if this attempt had not been."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE jobs SET state = 'queued', attempts = attempts - 1 WHERE id = ? AND state = 'running'",
                (job_id,),
            )

    def take_up_again(self, max_attempts: int, sentence: str) -> None:
        """After a crash: queue what was running, but fail with `sentence` what was tried `max_attempts` times."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE jobs SET state = 'failed', sentence = ? WHERE state = 'running' AND attempts >= ?",
                (sentence, max_attempts),
            )
            connection.execute("UPDATE jobs SET state = 'queued' WHERE state = 'running'")

    def pictures(self) -> set[str]:
        """Names of the pictures that some kept request refers to."""
        rows = self._database.rows(
            """SELECT json_extract(request, '$.picture') AS picture FROM jobs
            UNION SELECT json_extract(request, '$.picture') FROM clips"""
        )
        return {row["picture"] for row in rows if row["picture"]}


def _job(row: sqlite3.Row) -> JobRow:
    return JobRow(
        id=row["id"],
        request=VideoRequest.from_dict(json.loads(row["request"])),
        created_s=row["created_s"],
        state=row["state"],
        attempts=row["attempts"],
        sentence=row["sentence"],
        clip=row["clip"],
    )

"""One SQLite file: its connection, its pragmas, its transactions and its schema over time.

Knows no table's meaning beyond creating it.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Any

from studio.domain import StudioError, no_room_sentence


def _first_tables(connection: sqlite3.Connection) -> None:
    connection.execute(
        """CREATE TABLE clips (
            id TEXT PRIMARY KEY,
            request TEXT NOT NULL,
            created_s REAL NOT NULL,
            made TEXT NOT NULL,
            video TEXT NOT NULL,
            poster TEXT NOT NULL
        ) STRICT"""
    )
    connection.execute("CREATE INDEX clips_by_age ON clips (created_s)")
    connection.execute(
        """CREATE TABLE jobs (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            id TEXT NOT NULL UNIQUE,
            request TEXT NOT NULL,
            created_s REAL NOT NULL,
            state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed', 'stopped')),
            attempts INTEGER NOT NULL DEFAULT 0,
            sentence TEXT NOT NULL DEFAULT '',
            clip TEXT REFERENCES clips (id) ON DELETE CASCADE
        ) STRICT"""
    )
    connection.execute("CREATE INDEX jobs_by_state ON jobs (state, number)")
    connection.execute("CREATE INDEX jobs_by_clip ON jobs (clip)")
    connection.execute(
        """CREATE TABLE runs (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            model TEXT NOT NULL,
            aspect_ratio TEXT NOT NULL,
            seconds REAL NOT NULL,
            num_inference_steps INTEGER NOT NULL,
            guidance_scale REAL NOT NULL,
            spent_s TEXT NOT NULL
        ) STRICT"""
    )


def _visitors_and_limits(connection: sqlite3.Connection) -> None:
    for column in (
        "owner TEXT NOT NULL DEFAULT ''", "started_s REAL", "ended_s REAL", "can_finish INTEGER NOT NULL DEFAULT 0",
    ):  # fmt: skip
        connection.execute(f"ALTER TABLE jobs ADD COLUMN {column}")
    for column in (
        "owner TEXT NOT NULL DEFAULT ''", "is_favourite INTEGER NOT NULL DEFAULT 0",
        "is_shown INTEGER NOT NULL DEFAULT 0", "bytes INTEGER NOT NULL DEFAULT 0",
    ):  # fmt: skip
        connection.execute(f"ALTER TABLE clips ADD COLUMN {column}")
    for column in (
        "num_frames INTEGER NOT NULL DEFAULT 0", "peak_memory_bytes INTEGER NOT NULL DEFAULT 0",
        "energy_wh REAL NOT NULL DEFAULT 0", "is_energy_measured INTEGER NOT NULL DEFAULT 0",
    ):  # fmt: skip
        connection.execute(f"ALTER TABLE runs ADD COLUMN {column}")
    connection.execute("CREATE INDEX clips_by_owner ON clips (owner)")
    connection.execute(
        """CREATE TABLE pictures (
            owner TEXT NOT NULL, name TEXT NOT NULL, kept_s REAL NOT NULL, PRIMARY KEY (owner, name)
        ) STRICT"""
    )
    # Until now there was one owner, who may go on using every picture that a request names.
    connection.execute(
        """INSERT INTO pictures SELECT DISTINCT '', json_extract(request, '$.picture'), max(created_s) FROM (
            SELECT request, created_s FROM jobs UNION ALL SELECT request, created_s FROM clips
        ) WHERE json_extract(request, '$.picture') IS NOT NULL GROUP BY 2"""
    )
    connection.execute(
        """CREATE TABLE removals (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            owner TEXT NOT NULL, clips INTEGER NOT NULL, reason TEXT NOT NULL, removed_s REAL NOT NULL
        ) STRICT"""
    )


# Append only: an old file climbs from its own number to the newest. Never edit an entry that was released.
MIGRATIONS: list[Callable[[sqlite3.Connection], None]] = [_first_tables, _visitors_and_limits]


class Database:
    """One connection behind one lock: every statement here takes well under a millisecond.

    The file is held exclusively, so a second studio on the same folder is refused instead of
    taking up the first one's running jobs; it also lets WAL work on file systems without shared memory.
    """

    def __init__(self, path: Path, when_new: Callable[[], object] = int) -> None:
        """Open or make the file and bring its schema up to date. StudioError when that cannot be.

        `when_new` is called before anything is written into a new file; if it fails, the next start calls it again.
        """
        self._lock = RLock()
        self._path = path
        try:
            self._connection = sqlite3.connect(path, timeout=3.0, isolation_level=None, check_same_thread=False)
        except sqlite3.DatabaseError as error:
            raise StudioError(self.sentence(error)) from error
        self._connection.row_factory = sqlite3.Row
        # SQLite's own lower() knows only English letters.
        self._connection.create_function("fold", 1, lambda text: (text or "").casefold(), deterministic=True)
        try:
            for pragma in (
                "locking_mode = EXCLUSIVE",
                "journal_mode = WAL",
                "synchronous = FULL",  # where the disk is a network's, what is not synced goes down with the machine
                "foreign_keys = ON",
            ):
                self._connection.execute(f"PRAGMA {pragma}")
            if self._schema() == 0:
                when_new()
            self._migrate()
        except sqlite3.DatabaseError as error:
            self._connection.close()
            raise StudioError(self.sentence(error)) from error
        except StudioError:
            self._connection.close()
            raise

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing; nests by joining the outer transaction. Holds the lock while it is open."""
        with self._lock:
            if self._connection.in_transaction:
                yield self._connection
                return
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield self._connection
                self._connection.execute("COMMIT")
            except sqlite3.DatabaseError as error:
                if _is_out_of_room(error):
                    raise StudioError(self.sentence(error)) from error
                raise
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    def rows(self, query: str, *values: Any) -> list[sqlite3.Row]:
        with self._lock:
            return self._connection.execute(query, values).fetchall()

    def row(self, query: str, *values: Any) -> sqlite3.Row | None:
        with self._lock:
            return self._connection.execute(query, values).fetchone()

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def _schema(self) -> int:
        return self._connection.execute("PRAGMA user_version").fetchone()[0]

    def _migrate(self) -> None:
        schema = self._schema()
        if schema > len(MIGRATIONS):
            raise StudioError(
                f"{self._path.name} was written by a newer Flipbook (schema {schema}; this one knows up to "
                f"{len(MIGRATIONS)}). Please update Flipbook, or set DATA_DIR to another folder."
            )
        for number in range(schema, len(MIGRATIONS)):
            with self.transaction() as connection:
                MIGRATIONS[number](connection)
                connection.execute(f"PRAGMA user_version = {number + 1}")

    def sentence(self, error: sqlite3.DatabaseError) -> str:
        """What a person is told of an error of this database's."""
        if not _may_write(self._path):
            return (
                f"Flipbook may not write {self._path}, which is another user's; please set DATA_DIR to another folder."
            )
        if _is_out_of_room(error):
            return no_room_sentence(str(error))
        if _code(error) == sqlite3.SQLITE_BUSY:
            return f"Another Flipbook is using {self._path.parent}; please stop it, or set DATA_DIR to another folder."
        if _code(error) == sqlite3.SQLITE_NOTADB:
            return f"{self._path} is not a Flipbook database; please set DATA_DIR to another folder."
        return f"Flipbook cannot use its database {self._path} ({error})."


def _may_write(path: Path) -> bool:
    """What SQLite calls an error of the disk may be a folder or a file that belongs to somebody else."""
    there = [at for at in (path, path.with_name(f"{path.name}-wal")) if at.exists()]
    return all(os.access(at, os.W_OK) for at in (path.parent, *there))


def _is_out_of_room(error: sqlite3.DatabaseError) -> bool:
    return _code(error) in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)


def _code(error: sqlite3.DatabaseError) -> int:
    """The primary code; the higher bits only refine it."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF

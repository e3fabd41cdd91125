"""The schema climbs from blank, never twice, never down; a transaction is all or nothing, from any thread."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path
from threading import Thread

import pytest

from studio.domain import StudioError
from studio.store.database import MIGRATIONS, Database
from studio.store.library import Library


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "flipbook.db"


def schema(database: Database) -> list[tuple[str, str]]:
    rows = database.rows("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name")
    return [(row["name"], row["sql"]) for row in rows]


def write_version(path: Path, version: int) -> None:
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {version}")
    connection.close()


def test_from_blank(path: Path) -> None:
    calls: list[int] = []
    database = Database(path, when_new=lambda: calls.append(1))
    assert calls == [1]
    assert {"clips", "jobs", "runs"} <= {name for name, _ in schema(database)}
    assert database.rows("PRAGMA user_version")[0][0] == len(MIGRATIONS)
    assert database.rows("PRAGMA journal_mode")[0][0] == "wal"
    assert database.rows("PRAGMA foreign_keys")[0][0] == 1
    database.close()


def test_opening_again_changes_nothing(path: Path) -> None:
    first = Database(path)
    before = schema(first)
    first.close()
    calls: list[int] = []
    again = Database(path, when_new=lambda: calls.append(1))
    assert calls == []
    assert schema(again) == before
    again.close()


@pytest.mark.parametrize("number", range(len(MIGRATIONS)))
def test_every_old_schema_climbs_to_the_newest(path: Path, number: int) -> None:
    connection = sqlite3.connect(path)
    for migration in MIGRATIONS[:number]:
        migration(connection)
    connection.execute(f"PRAGMA user_version = {number}")
    connection.commit()
    connection.close()
    climbed, fresh = Database(path), Database(path.with_name("fresh.db"))
    assert schema(climbed) == schema(fresh)
    climbed.close()
    fresh.close()


def test_a_newer_schema_is_refused_with_a_sentence(path: Path) -> None:
    Database(path).close()
    write_version(path, len(MIGRATIONS) + 1)
    with pytest.raises(StudioError) as caught:
        Database(path)
    assert f"schema {len(MIGRATIONS) + 1}; this one knows up to {len(MIGRATIONS)}" in str(caught.value)
    assert "update Flipbook" in str(caught.value)
    write_version(path, len(MIGRATIONS))  # and the refusal let go of the file
    Database(path).close()


def test_another_file_is_refused_with_a_sentence(path: Path) -> None:
    path.write_bytes(b"this is a diary, not a database" * 100)
    with pytest.raises(StudioError, match="is not a Flipbook database"):
        Database(path)
    assert path.read_bytes().startswith(b"this is a diary")


def test_a_broken_file_is_refused_with_a_sentence(tmp_path: Path) -> None:
    Library(tmp_path).close()
    with (tmp_path / "flipbook.db").open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 40960)
    with pytest.raises(StudioError, match=r"Flipbook cannot use its database .*malformed"):
        Library(tmp_path)


def test_two_studios_do_not_share_a_folder(path: Path) -> None:
    first = Database(path)
    with pytest.raises(StudioError, match="Another Flipbook is using"):
        Database(path)
    first.close()
    Database(path).close()


INSERT = """INSERT INTO runs (model, aspect_ratio, seconds, num_inference_steps, guidance_scale, spent_s)
    VALUES (?, '1:1', 1.0, 1, 1.0, '{}')"""


def insert(database: Database, *models: str | None) -> None:
    """All of them in one transaction."""
    with database.transaction():
        for model in models:
            with database.transaction() as inner:
                inner.execute(INSERT, (model,))


def test_a_failed_transaction_leaves_nothing_not_even_of_its_inner_ones(path: Path) -> None:
    database = Database(path)
    insert(database, "one", "two")
    with pytest.raises(sqlite3.IntegrityError):
        insert(database, "three", None)
    assert [row["model"] for row in database.rows("SELECT model FROM runs")] == ["one", "two"]
    insert(database, "four")
    assert len(database.rows("SELECT model FROM runs")) == 3
    database.close()


def test_many_threads_write_and_read(path: Path) -> None:
    database = Database(path)
    errors: list[Exception] = []

    def write(worker: int) -> None:
        try:
            for _ in range(25):
                with database.transaction() as connection:
                    before = connection.execute("SELECT count(*) FROM runs").fetchone()[0]
                    connection.execute(INSERT, (f"{worker}",))
                    assert connection.execute("SELECT count(*) FROM runs").fetchone()[0] == before + 1
                assert database.row("SELECT 1 FROM runs WHERE model = ?", str(worker)) is not None
        except Exception as error:
            errors.append(error)
            raise

    threads = [Thread(target=write, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(database.rows("SELECT * FROM runs")) == 200
    database.close()


def test_what_was_committed_survives_a_kill(path: Path) -> None:
    program = """
        import sys, time
        from pathlib import Path
        from studio.store.database import Database
        database = Database(Path(sys.argv[1]))
        with database.transaction() as connection:
            connection.execute(sys.argv[2], ("kept",))
        with database.transaction() as connection:
            connection.execute(sys.argv[2], ("lost",))
            print("here", flush=True)
            time.sleep(60)
    """
    asked = [sys.executable, "-c", textwrap.dedent(program), str(path), INSERT]
    with subprocess.Popen(asked, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        process.kill()
    database = Database(path)
    assert [row["model"] for row in database.rows("SELECT model FROM runs")] == ["kept"]
    database.close()


def test_a_full_disk_is_said_and_loses_nothing(path: Path) -> None:
    """In a process of its own, whose files may not grow past a limit: SQLite's writes really fail."""
    program = """
        import resource, sys
        from pathlib import Path
        from studio.domain import StudioError
        from studio.store.database import Database
        database = Database(Path(sys.argv[1]))
        insert = sys.argv[2]
        with database.transaction() as connection:
            connection.execute(insert, ("kept",))
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
        try:
            with database.transaction() as connection:
                for _ in range(400):
                    connection.execute(insert, ("x" * 10_000,))
        except StudioError as error:
            print(error)
        print([row["model"] for row in database.rows("SELECT model FROM runs")])
    """
    asked = [sys.executable, "-c", textwrap.dedent(program), str(path), INSERT]
    said = subprocess.run(asked, capture_output=True, check=True, text=True).stdout.splitlines()
    assert said[0].startswith("There is no room left on the disk (")
    assert said[1] == "['kept']"


def test_a_copy_of_the_file_opens(path: Path, tmp_path: Path) -> None:
    """Once closed, the one file is the whole database: nothing is left beside it."""
    database = Database(path)
    with database.transaction() as connection:
        connection.execute(INSERT, ("kept",))
    database.close()
    shutil.copy(path, tmp_path / "copy.db")
    copy = Database(tmp_path / "copy.db")
    assert len(copy.rows("SELECT * FROM runs")) == 1
    copy.close()

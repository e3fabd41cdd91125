"""Keeps rows and files in step: publishing a clip, deleting it, and putting things right at start.

The row is the commit point: files come before it and go before it, so a listed clip always has its files.
"""

from __future__ import annotations

import logging
from pathlib import Path

from studio.domain import Clip
from studio.store.clips import Clips
from studio.store.database import Database
from studio.store.files import Files
from studio.store.jobs import Jobs
from studio.store.runs import Run, Runs

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 2
GIVEN_UP = (
    f"Flipbook itself ended {MAX_ATTEMPTS} times while making this clip, so it was given up; "
    "a shorter clip or fewer steps may work."
)


class Library:
    """All that one data folder holds. StudioError when the folder or its database cannot be used."""

    def __init__(self, data_dir: Path) -> None:
        self.files = Files(data_dir)
        self._database = Database(data_dir / "flipbook.db")
        self.clips = Clips(self._database)
        self.jobs = Jobs(self._database)
        self.runs = Runs(self._database)
        self._recover()

    def publish(self, clip: Clip, run: Run) -> None:
        """Move the half-made files into the gallery, then list the clip and finish its job in one transaction.

        The clip's id is its job's. When this fails, neither files nor rows of the clip remain.
        """
        try:
            self.files.publish(clip.id)
            with self._database.transaction():
                self.clips.add(clip)
                self.jobs.finish(clip.id, "done", clip=clip.id)
                self.runs.add(run)
        except BaseException:
            self.files.withdraw(clip.id)
            self.files.discard(clip.id)
            raise

    def delete(self, clip_id: str) -> bool:
        """Remove a clip's row, its job's and its files; whether there was one."""
        self.files.withdraw(clip_id)
        was_there = self.clips.remove(clip_id)
        self.files.discard(clip_id)
        return was_there

    def close(self) -> None:
        self._database.close()

    def _recover(self) -> None:
        if self._database.was_blank:
            self.files.set_clips_aside()
        for clip_id in self.clips.ids():
            video, _poster = self.files.published(clip_id)
            if not video.is_file():
                self.clips.remove(clip_id)
                log.warning("Clip %s is no longer listed: its file %s is missing", clip_id, video.name)
        self.files.sweep(self.clips.ids(), self.jobs.pictures())
        self.jobs.take_up_again(MAX_ATTEMPTS, GIVEN_UP)

"""Keeps rows and files in step: publishing a clip, deleting it, sweeping, and putting things right at start.

The row is the commit point: files come before it and go after it, so a listed clip always has its files.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

from studio.domain import Clip, StudioError
from studio.store.clips import Clips
from studio.store.database import Database
from studio.store.files import LATENTS_KEPT_S, Files
from studio.store.jobs import Jobs
from studio.store.pictures import DAY_S, Pictures
from studio.store.removals import KEEPER, Removals
from studio.store.runs import Run, Runs

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 3
JOBS_KEPT_S, NOTES_KEPT_S = 7 * 24 * 3600, 90 * 24 * 3600
GIVEN_UP = (
    f"Flipbook itself ended {MAX_ATTEMPTS} times while making this clip, so it was given up; "
    "a shorter clip or fewer steps may work."
)


class Library:
    """All that one data folder holds. StudioError when the folder or its database cannot be used."""

    def __init__(self, data_dir: Path) -> None:
        self.files = Files(data_dir)
        self._database = Database(data_dir / "flipbook.db", when_new=self.files.set_clips_aside)
        self.clips = Clips(self._database)
        self.jobs = Jobs(self._database)
        self.pictures = Pictures(self._database)
        self.removals = Removals(self._database)
        self.runs = Runs(self._database)
        try:
            self.files.make_room()
            try:
                self._recover()
            except StudioError:
                # On a full disk not even that can be written without some room.
                self.files.give_spare()
                self._recover()
        except sqlite3.DatabaseError as error:
            self.close()
            raise StudioError(self._database.sentence(error)) from error
        except BaseException:
            self.close()
            raise

    def publish(self, clip: Clip, run: Run | None = None) -> Clip:
        """Move the half-made files into the gallery, then list the clip and finish its job in one transaction.

        The clip's id is its job's; returns it with its files' names. When this fails, neither files nor rows remain.
        """
        names: list[str] = []
        try:
            video, poster = self.files.publish(clip.id)
            names = [video.name, poster.name]
            size_bytes = video.stat().st_size + poster.stat().st_size
            clip = replace(clip, video=video.name, poster=poster.name)
            with self._database.transaction():
                self.clips.add(clip, size_bytes)
                self.jobs.finish(clip.id, "done", clip=clip.id)
                if run:
                    self.runs.add(run)
        except BaseException:
            self.files.remove(*names)
            self.files.discard(clip.id)
            raise
        return clip

    def delete(self, clip: Clip, swept: tuple[str, float] | None = None) -> bool:
        """Remove a clip's row, its job's and then its files; whether there was one. A crash leaves files to sweep.

        Of what is `swept`, for a reason at a time, its owner finds a note in `removals`; it stays if it has become
        a favourite meanwhile, or is about to be extended, unless the keeper wants it gone.
        """
        try:
            was_there = self._unlist(clip, swept)
        except StudioError:
            # On a full disk not even a row can be removed without some room.
            self.files.give_spare()
            was_there = self._unlist(clip, swept)
        if was_there:
            self.files.remove(clip.video, clip.poster)
        self.files.keep_spare()
        return was_there

    def _unlist(self, clip: Clip, swept: tuple[str, float] | None) -> bool:
        with self._database.transaction():
            now = self.clips.get(clip.id)
            if now is None:
                return False
            if swept:
                reason, at_s = swept
                if reason != KEEPER and (now.is_favourite or clip.id in self.jobs.extended()):
                    return False
                self.removals.add(clip.owner, reason, at_s)
            return self.clips.remove(clip.id)

    def keep_picture(self, owner: str, png: bytes) -> str:
        """Store a picture for its owner; returns its name."""
        name = self.files.keep_picture(png)
        self.pictures.add(owner, name)
        return name

    def sweep_clips(self, keep_days: int, keep_bytes: int) -> int:
        """Remove clips above the limits on age and size (0: no limit), oldest first; returns how many went.

        Favourites stay, and what a job is about to extend. Each owner finds a note of it in `removals`.
        """
        now_s = time.time()
        before_s = now_s - keep_days * 24 * 3600 if keep_days else None
        if before_s is None and not keep_bytes:
            return 0
        going_on = self.jobs.extended()
        overdue = [
            (clip, reason)
            for clip, reason in self.clips.overdue(before_s, keep_bytes or None)
            if clip.id not in going_on
        ]
        swept = Counter(reason for clip, reason in overdue if self.delete(clip, (reason, now_s)))
        for reason, clips in swept.items():
            log.info("clips swept", extra={"clips": clips, "reason": reason})
        return swept.total()

    def sweep_leftovers(self) -> None:
        """Remove jobs that ended without a clip a week ago, their latents, unused pictures of a day ago, old notes."""
        stale = self.jobs.finishable(time.time() - LATENTS_KEPT_S)
        for job_id in stale:
            self.files.discard_latents(job_id)
        self.jobs.cannot_finish(stale)
        self.jobs.forget(time.time() - JOBS_KEPT_S)
        self.removals.forget(time.time() - NOTES_KEPT_S)
        day_ago_s, in_use = time.time() - DAY_S, self.pictures.in_use()
        self.files.sweep_pictures(in_use, day_ago_s)
        self.files.sweep_uploads(day_ago_s)
        self.pictures.forget_all_but(in_use)

    def close(self) -> None:
        self._database.close()

    def _recover(self) -> None:
        listed: set[str] = set()
        clips = self.clips.all()
        there = {clip.id for clip in clips if (self.files.clips / clip.video).is_file()}
        if len(clips) > 1 and not there:
            raise StudioError(
                f"The gallery lists {len(clips)} clips, but none of their files lies in {self.files.clips}; is a disk "
                "missing? Please bring them back. If they are gone for good, remove flipbook.db to begin anew."
            )
        for clip in clips:
            if clip.id in there:
                listed |= {clip.video, clip.poster}
            else:
                self.clips.remove(clip.id)
                log.warning("clip without file", extra={"clip": clip.id, "file": clip.video})
        in_use = self.pictures.in_use()
        self.jobs.take_up_again(MAX_ATTEMPTS, GIVEN_UP)
        expected = self.jobs.with_latents()
        kept = self.files.sweep(listed, in_use, expected)
        self.pictures.forget_all_but(in_use)
        self.jobs.cannot_finish(expected - kept)
        self.files.keep_spare()

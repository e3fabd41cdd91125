"""How long past clips took, phase by phase, without what they showed. Kept when a clip is deleted."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import get_args

from studio.domain import Made, Phase, VideoRequest
from studio.store.database import Database

KEPT = 100  # of each model; more than anyone looks at


@dataclass(frozen=True)
class Run:
    """What decided the work of one finished job, and the seconds that each phase took."""

    model: str
    aspect_ratio: str
    seconds: float
    num_inference_steps: int
    guidance_scale: float
    spent_s: dict[Phase, float]
    num_frames: int = 0
    peak_memory_bytes: int = 0
    energy_wh: float = 0.0
    is_energy_measured: bool = False

    @classmethod
    def of(cls, request: VideoRequest, spent_s: dict[Phase, float], made: Made | None = None) -> Run:
        return cls(
            model=request.model,
            aspect_ratio=request.aspect_ratio,
            seconds=request.seconds,
            num_inference_steps=request.num_inference_steps,
            guidance_scale=request.guidance_scale,
            spent_s=spent_s,
            num_frames=made.num_frames if made else 0,
            peak_memory_bytes=made.peak_memory_bytes if made else 0,
            energy_wh=made.energy_wh if made else 0.0,
            is_energy_measured=made is not None and made.is_energy_measured,
        )


class Runs:
    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, run: Run) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                """INSERT INTO runs (model, aspect_ratio, seconds, num_inference_steps, guidance_scale, spent_s,
                num_frames, peak_memory_bytes, energy_wh, is_energy_measured) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
                (
                    run.model,
                    run.aspect_ratio,
                    run.seconds,
                    run.num_inference_steps,
                    run.guidance_scale,
                    json.dumps(run.spent_s),
                    run.num_frames,
                    run.peak_memory_bytes,
                    run.energy_wh,
                    run.is_energy_measured,
                ),
            )
            connection.execute(
                """DELETE FROM runs WHERE model = ? AND number <= (
                    SELECT number FROM runs WHERE model = ? ORDER BY number DESC LIMIT 1 OFFSET ?
                )""",
                (run.model, run.model, KEPT),
            )

    def newest(self, model: str, limit: int) -> list[Run]:
        rows = self._database.rows("SELECT * FROM runs WHERE model = ? ORDER BY number DESC LIMIT ?", model, limit)
        return [
            Run(
                model=row["model"],
                aspect_ratio=row["aspect_ratio"],
                seconds=row["seconds"],
                num_inference_steps=row["num_inference_steps"],
                guidance_scale=row["guidance_scale"],
                spent_s={phase: s for phase, s in json.loads(row["spent_s"]).items() if phase in get_args(Phase)},
                num_frames=row["num_frames"],
                peak_memory_bytes=row["peak_memory_bytes"],
                energy_wh=row["energy_wh"],
                is_energy_measured=bool(row["is_energy_measured"]),
            )
            for row in rows
        ]

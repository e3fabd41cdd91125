"""What a scheduler says that a run is heading for, where the model is never wrong."""

from __future__ import annotations

import torch
from diffusers import FlowMatchEulerDiscreteScheduler, PiflowScheduler, UniPCMultistepScheduler

from studio.engine.schedule import watch


def test_a_perfect_model_is_heading_for_the_truth_at_every_step() -> None:
    truth = torch.randn(1, 12, 8, generator=torch.Generator().manual_seed(1))
    noise = torch.randn(1, 12, 8, generator=torch.Generator().manual_seed(2))
    for scheduler in (
        FlowMatchEulerDiscreteScheduler(shift=5.0),
        UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True),
        PiflowScheduler(),
    ):
        watch(scheduler)
        scheduler.set_timesteps(16)
        grid = getattr(scheduler, "n_grid", 1)
        sample = noise
        for step, time in enumerate(scheduler.timesteps):
            flow = (sample - truth) / scheduler.sigmas[step]
            (sample,) = scheduler.step(flow.repeat(1, 1, grid), time, sample, return_dict=False)
            assert torch.allclose(scheduler.clean, truth, atol=1e-3), (type(scheduler).__name__, step)

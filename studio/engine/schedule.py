"""What a run is heading for: a scheduler that remembers the clean latents of its latest step, in any family.

Knows diffusers' schedulers, no pipeline.
"""

from __future__ import annotations

import copy
import functools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

_OURS = ("listener", "clean", "copies")


def watch(scheduler: Any) -> None:
    """Let `scheduler.clean` be the latents without noise that its latest step was heading for.

    What a scheduler is given has guidance in it already. `scheduler.listener` is told of them at each step; when it
    returns False, the step goes all the way there. `scheduler.copies` are those that a pipeline made of it, for the
    sound or for each frame; they remember too, and tell nobody. The class is changed and not the instance's `step`: a
    deep copy would take that along and step the original.
    """
    original = type(scheduler)

    class Watched(original):
        @functools.wraps(original.step)  # pipelines read its signature
        def step(self, model_output: Tensor, *given: Any, **options: Any) -> Any:
            after = super().step(model_output, *given, **options)
            self.clean = _clean(self, model_output, given, options, after)
            if self.listener is None or self.listener(self.clean):
                return after
            return (self.clean.to(after[0].dtype), *after[1:])

        def __deepcopy__(self, memo: dict[int, Any]) -> Any:
            twin = type(self).__new__(type(self))
            memo[id(self)] = twin
            own = {name: value for name, value in vars(self).items() if name not in _OURS}
            twin.__dict__.update(copy.deepcopy(own, memo))
            twin.listener, twin.clean, twin.copies = None, None, []
            self.copies.append(twin)
            return twin

    Watched.__name__ = original.__name__
    scheduler.__class__ = Watched
    scheduler.listener, scheduler.clean, scheduler.copies = None, None, []


def _clean(scheduler: Any, model_output: Tensor, given: tuple[Any, ...], options: dict[str, Any], after: Any) -> Tensor:
    kind = type(scheduler).__name__
    sample = options["sample"] if "sample" in options else given[1]
    if kind == "PiflowScheduler":
        # The model predicts a bent path; the first of its points is the one where the step ends.
        at_end = scheduler._to_grid(model_output, sample)[:, 0]
        return sample.float() - scheduler.sigmas[scheduler.step_index - 1] * at_end
    if kind == "FlowMatchEulerDiscreteScheduler":
        # An Euler step follows a straight line and the last one goes to its end, so after the last step these are the
        # finished latents, bit by bit.
        return sample - scheduler.sigmas[scheduler.step_index - 1] * model_output
    if kind == "UniPCMultistepScheduler":
        return scheduler.model_outputs[-1]
    # CogVideoX' own two give it back; of others the noisy latents are the nearest there is.
    return after[-1]

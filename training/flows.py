"""The flows of the joint denoiser, as the pipeline asks for them in use: of a model that learns, and of a teacher's.

A teacher's flows with guidance, learned by a model that then needs one pass where guidance takes two, are the first
half of what Meng et al. 2023 (arXiv 2210.03142) do; nothing in it is random, so it is learned in minutes. A model that
needs one pass already goes on learning from the world by being its own guide (model guidance, Tang et al. 2025, arXiv
2502.12154).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from training.latents import Shape

Flows = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True)
class Noised:
    """Tokens of clips on their way from noise to picture and sound, of which only the `kept` are there.

    `video` (B, N, 64) and `audio` (B, M, 64) in the denoiser's number format; `kept` (B, N) their numbers among all;
    `sigma` (B,) the noise, and `level` (B, N) that of each picture token: a clean opening has none.
    """

    shape: Shape
    kept: torch.Tensor
    video: torch.Tensor
    audio: torch.Tensor
    sigma: torch.Tensor
    level: torch.Tensor

    def flows(self, denoiser, connectors, text: torch.Tensor, mask: torch.Tensor) -> Flows:
        """Of picture (B, N, 64) and sound (B, M, 64), float32, as `text` (B, 32, 1152) has it."""
        states, audio_states, _mask = connectors(text, mask, padding_side="left")
        sigma = self.sigma * 1000
        flow, audio_flow = denoiser(
            hidden_states=self.video,
            audio_hidden_states=self.audio,
            encoder_hidden_states=states,
            audio_encoder_hidden_states=audio_states,
            timestep=self.level * 1000,
            audio_timestep=sigma,
            sigma=sigma,
            audio_sigma=sigma,
            video_coords=self._coordinates(denoiser),
            audio_num_frames=self.audio.shape[1],
            use_cross_timestep=True,
            return_dict=False,
        )
        return flow.float(), audio_flow.float()

    def _coordinates(self, denoiser) -> torch.Tensor:
        """Where and when the kept tokens are, as the denoiser's rotary embedding counts it, (B, 3, N, 2)."""
        whole = denoiser.rope.prepare_video_coords(1, *self.shape.latents, torch.device("cpu"), fps=12.0)[0]
        return whole[:, self.kept].transpose(0, 1)


@dataclass(frozen=True)
class Guide:
    """Modules, and the text states (1, 32, 1152) and mask (1, 32) of no words at all."""

    denoiser: torch.nn.Module
    connectors: torch.nn.Module
    empty: tuple[torch.Tensor, torch.Tensor]
    guidance: float

    def without_words(self, noised: Noised) -> Flows:
        text, mask = (each.expand(len(noised.video), *each.shape[1:]) for each in self.empty)
        return noised.flows(self.denoiser, self.connectors, text, mask)


class Teacher(Guide):
    """Frozen modules, whose flows with guidance another learns."""

    @torch.no_grad()
    def aims(self, noised: Noised, text: torch.Tensor, mask: torch.Tensor, told: Flows, true: Flows) -> Flows:
        """As `Noised.flows`, whatever the learner has `told`; no words make no difference where there are none."""
        with_words, empty = noised.flows(self.denoiser, self.connectors, text, mask), self.without_words(noised)
        return torch.lerp(empty[0], with_words[0], self.guidance), torch.lerp(empty[1], with_words[1], self.guidance)


class Itself(Guide):
    """The modules that learn, which keep what they know of guidance while they learn from the true flows."""

    @torch.no_grad()
    def aims(self, noised: Noised, text: torch.Tensor, mask: torch.Tensor, told: Flows, true: Flows) -> Flows:
        """With the true flows c, those without words e and w = 1 - 1 / guidance, c + w (told - e).

        It is what was told where that is e + guidance (c - e).
        """
        empty, share = self.without_words(noised), 1 - 1 / self.guidance
        return true[0] + share * (told[0] - empty[0]), true[1] + share * (told[1] - empty[1])

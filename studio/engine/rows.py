"""The rows of the catalog: what each model is, needs and can do. Numbers only; never imports torch."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from studio.domain import Grid, ModelCard, ModelLimits
from studio.engine import grid

# LTX-2 has four kinds of guidance, and diffusers leaves all of them on unless each is switched off: a step would cost
# four passes. What a small or distilled model was not trained for is off, but for the words' own guidance.
PLAIN_GUIDANCE: dict[str, Any] = {
    "stg_scale": 0.0,
    "audio_stg_scale": 0.0,
    "audio_guidance_scale": None,  # as the picture's: left out, it would be 7, and guidance 1 would cost two passes
    "modality_scale": 1.0,
    "audio_modality_scale": 1.0,
    "guidance_rescale": 0.0,
    "audio_guidance_rescale": 0.0,
}

POCKET = ModelCard(
    name="pocket",
    title="Pocket",
    licence="Apache-2.0",
    description="Flipbook's own small model: named toys in named scenes, with sound, on any computer.",
    limits=ModelLimits(),
    grid=grid.POCKET,
    default_seconds=2.0,
    default_steps=4,
    default_guidance=1.0,  # it has learned what guidance does, so a second pass is for more of that
    has_sound=True,
    family="ltx2",
    pipeline="LTX2ConditionPipeline",
    is_soft=True,
    # 32 tokens: the default of 1,024 costs more than Pocket's picture.
    # A picture is given to it as it is; the original learned from pictures compressed as film.
    arguments={"max_sequence_length": 32, "image_crf": 0, **PLAIN_GUIDANCE},
)

# What a GPU needs is reckoned, not measured: all weights in bf16 (autoencoders of Wan's kind in float32) and some room
# for a clip. What of that waits in main memory is memory.py's to choose.
GB = 10**9


def _limits(grid: Grid, max_seconds: float, guidance: tuple[float, float] = (1.0, 12.0), **others: Any) -> ModelLimits:
    return ModelLimits(
        aspect_ratios=tuple(grid.sizes),
        max_seconds=max_seconds,
        min_guidance=guidance[0],
        max_guidance=guidance[1],
        max_prompt_chars=2000,
        max_clip_seconds=60.0,
        **others,
    )


_LTX_GRID = Grid(
    sizes={"16:9": (1024, 576), "9:16": (576, 1024), "1:1": (768, 768), "4:3": (896, 672), "3:4": (672, 896)},
    frame_rate=24.0,
    spatial_ratio=32,
    temporal_ratio=8,
    overlap_frames=25,
)
# LTX-2's, from diffusers' `pipelines/ltx2/utils.py`.
_LTX_UNWANTED = (
    "blurry, out of focus, overexposed, underexposed, low contrast, washed out colors, excessive noise, "
    "grainy texture, poor lighting, flickering, motion blur, distorted proportions, unnatural skin tones, "
    "deformed facial features, asymmetrical face, missing facial features, extra limbs, disfigured hands, "
    "wrong hand count, artifacts around text, inconsistent perspective, camera shake, incorrect depth of "
    "field, background too sharp, background clutter, distracting reflections, harsh shadows, inconsistent "
    "lighting direction, color banding, cartoonish rendering, 3D CGI look, unrealistic materials, uncanny "
    "valley effect, incorrect ethnicity, wrong gender, exaggerated expressions, wrong gaze direction, "
    "mismatched lip sync, silent or muted audio, distorted voice, robotic voice, echo, background noise, "
    "off-sync audio, incorrect dialogue, added dialogue, repetitive speech, jittery movement, awkward "
    "pauses, incorrect timing, unnatural transitions, inconsistent framing, tilted camera, flat lighting, "
    "inconsistent tone, cinematic oversaturation, stylized filters, or AI artifacts."
)
LTX = ModelCard(
    name="ltx-2.3",
    title="LTX-2.3",
    licence="LTX-2 Community License",
    description="Film with speech and sound, from words, a first and a last picture, or a clip to go on from.",
    limits=_limits(_LTX_GRID, 10.0),
    grid=_LTX_GRID,
    default_seconds=5.0,
    default_steps=30,
    default_guidance=3.0,
    has_sound=True,
    can_end_with_picture=True,
    family="ltx2",
    pipeline="LTX2ConditionPipeline",
    source="diffusers/LTX-2.3-Diffusers",
    memory_bytes=78 * GB,
    transformer_bytes=44 * GB,
    encoder_bytes=24 * GB,
    arguments={"negative_prompt": _LTX_UNWANTED},
)
# The eight steps that it was distilled to, from the makers' ltx-pipelines; no guidance, so no negative prompts.
LTX_DISTILLED = replace(
    LTX,
    name="ltx-2.3-distilled",
    title="LTX-2.3 distilled",
    description="LTX-2.3 in eight steps: several times faster, a little less exact.",
    limits=_limits(_LTX_GRID, 10.0, (1.0, 1.0), min_steps=8, max_steps=8),
    default_steps=8,
    default_guidance=1.0,
    has_negative_prompt=False,
    can_skip_steps=False,
    source="diffusers/LTX-2.3-Distilled-Diffusers",
    arguments={
        "sigmas": [1.0, 0.99375, 0.9875, 0.98125, 0.975, 0.909375, 0.725, 0.421875],
        "spatio_temporal_guidance_blocks": None,
        **PLAIN_GUIDANCE,
    },
)

_WAN_480P = Grid(
    sizes={"16:9": (832, 480), "9:16": (480, 832), "1:1": (624, 624), "4:3": (704, 528), "3:4": (528, 704)},
    frame_rate=16.0,
    spatial_ratio=8,
    temporal_ratio=4,
)
_WAN_720P = Grid(
    sizes={"16:9": (1280, 704), "9:16": (704, 1280), "1:1": (960, 960), "4:3": (1024, 768), "3:4": (768, 1024)},
    frame_rate=24.0,
    spatial_ratio=16,
    temporal_ratio=4,
)
# What Wan's makers put where somebody has no negative prompt; their code and all of their examples have it.
_WAN_UNWANTED = (
    "色调艳丽，过曝，静态，细节模糊不清，字幕，风格，作品，画作，画面，静止，整体发灰，最差质量，低质量，JPEG压缩残留，"
    "丑陋的，残缺的，多余的手指，画得不好的手部，画得不好的脸部，畸形的，毁容的，形态畸形的肢体，手指融合，静止不动的画面，"
    "杂乱的背景，三条腿，背景人很多，倒着走"
)
WAN_21 = ModelCard(
    name="wan-2.1-1.3b",
    title="Wan 2.1 1.3B",
    licence="Apache-2.0",
    description="A small film model: silent clips from words.",
    limits=_limits(_WAN_480P, 5.0),
    grid=_WAN_480P,
    default_seconds=5.0,
    default_steps=50,
    default_guidance=5.0,
    has_sound=False,
    can_begin_with_picture=False,
    can_extend=False,
    family="wan",
    pipeline="WanPipeline",
    source="Wan-AI/Wan2.1-T2V-1.3B-Diffusers",
    memory_bytes=20 * GB,
    transformer_bytes=3 * GB,
    encoder_bytes=11 * GB,
    arguments={"negative_prompt": _WAN_UNWANTED},
)
# An extension goes on from the last frame alone: these two know no clip, only pictures.
WAN_22 = replace(
    WAN_21,
    name="wan-2.2-5b",
    title="Wan 2.2 5B",
    description="Silent clips in 720p from words or a first picture; goes on from a clip's last frame.",
    limits=_limits(_WAN_720P, 5.0),
    grid=_WAN_720P,
    can_begin_with_picture=True,
    can_extend=True,
    source="Wan-AI/Wan2.2-TI2V-5B-Diffusers",
    memory_bytes=30 * GB,
    transformer_bytes=10 * GB,
)
WAN_FROM_PICTURES = replace(
    WAN_21,
    name="wan-i2v-14b",
    title="Wan 14B from pictures",
    description="Silent clips from a first and a last picture.",
    can_begin_with_picture=True,
    must_begin_with_picture=True,
    can_end_with_picture=True,
    can_extend=True,
    pipeline="WanImageToVideoPipeline",
    memory_bytes=80 * GB,
    transformer_bytes=56 * GB,
)
_VACE_GRID = replace(_WAN_480P, overlap_frames=17)
WAN_VACE = replace(
    WAN_21,
    name="wan-vace-1.3b",
    title="Wan VACE 1.3B",
    description="Silent clips from words, a first and a last picture, or a clip to go on from.",
    limits=_limits(_VACE_GRID, 5.0),
    grid=_VACE_GRID,
    can_begin_with_picture=True,
    can_end_with_picture=True,
    can_extend=True,
    can_skip_steps=False,
    pipeline="WanVACEPipeline",
    source="Wan-AI/Wan2.1-VACE-1.3B-diffusers",
    memory_bytes=22 * GB,
    transformer_bytes=4 * GB,
)
_HUNYUAN_GRID = Grid(
    sizes={"16:9": (848, 480), "9:16": (480, 848), "1:1": (640, 640), "4:3": (704, 528), "3:4": (528, 704)},
    frame_rate=24.0,
    spatial_ratio=16,
    temporal_ratio=4,
)
HUNYUAN_15 = ModelCard(
    name="hunyuan-1.5",
    title="HunyuanVideo 1.5",
    licence="Tencent Hunyuan Community License, which leaves out the European Union",
    description="Silent clips in 480p from words.",
    limits=_limits(_HUNYUAN_GRID, 5.0),
    grid=_HUNYUAN_GRID,
    default_seconds=5.0,
    default_steps=50,
    default_guidance=6.0,
    has_sound=False,
    can_begin_with_picture=False,
    can_extend=False,
    can_wear_loras=False,
    family="hunyuan15",
    pipeline="HunyuanVideo15Pipeline",
    source="hunyuanvideo-community/HunyuanVideo-1.5-Diffusers-480p_t2v",
    memory_bytes=43 * GB,
    transformer_bytes=17 * GB,
    encoder_bytes=16 * GB,
)
HUNYUAN_FROM_PICTURES = replace(
    HUNYUAN_15,
    name="hunyuan-1.5-i2v",
    title="HunyuanVideo 1.5 from pictures",
    description="Silent clips in 480p from a first picture; goes on from a clip's last frame.",
    can_begin_with_picture=True,
    must_begin_with_picture=True,
    can_extend=True,
    pipeline="HunyuanVideo15ImageToVideoPipeline",
    source="hunyuanvideo-community/HunyuanVideo-1.5-Diffusers-480p_i2v",
    memory_bytes=44 * GB,
)
_KANDINSKY_GRID = Grid(
    sizes={"16:9": (864, 480), "9:16": (480, 864), "1:1": (640, 640), "4:3": (704, 528), "3:4": (528, 704)},
    frame_rate=24.0,
    spatial_ratio=8,
    temporal_ratio=4,
)
KANDINSKY = ModelCard(
    name="kandinsky-6-lite",
    title="Kandinsky 6 Lite",
    licence="MIT",
    description="Clips with speech and sound from words or a first picture; goes on from a clip's last frame.",
    limits=_limits(_KANDINSKY_GRID, 5.0),
    grid=_KANDINSKY_GRID,
    default_seconds=5.0,
    default_steps=50,
    default_guidance=5.0,
    has_sound=True,
    can_wear_loras=False,
    can_skip_steps=False,
    family="kandinsky6",
    pipeline="Kandinsky6TI2VAPipeline",
    source="kandinskylab/Kandinsky-6.0-Lite-5s-Diffusers",
    memory_bytes=30 * GB,
    transformer_bytes=6 * GB,
    encoder_bytes=17 * GB,
)
KANDINSKY_DISTILLED = replace(
    KANDINSKY,
    name="kandinsky-6-lite-distilled",
    title="Kandinsky 6 Lite distilled",
    description="Kandinsky 6 Lite in sixteen steps.",
    limits=_limits(_KANDINSKY_GRID, 5.0, (1.0, 1.0)),
    default_steps=16,
    default_guidance=1.0,
    has_negative_prompt=False,
    source="kandinskylab/Kandinsky-6.0-Lite-distill-5s-Diffusers",
)
# It learnt where things are in this one size only. Of an even number of latents its autoencoder makes frames too many.
_COG_GRID = Grid(sizes={"3:2": (720, 480)}, frame_rate=8.0, spatial_ratio=8, temporal_ratio=4, latents_step=2)
COGVIDEOX = ModelCard(
    name="cogvideox-2b",
    title="CogVideoX 2B",
    licence="Apache-2.0",
    description="An older small model: silent clips from words, at 8 frames a second.",
    limits=_limits(_COG_GRID, 6.0),
    grid=_COG_GRID,
    default_seconds=6.0,
    default_steps=50,
    default_guidance=6.0,
    has_sound=False,
    can_begin_with_picture=False,
    can_extend=False,
    family="cogvideox",
    pipeline="CogVideoXPipeline",
    source="THUDM/CogVideoX-2b",
    memory_bytes=20 * GB,
    transformer_bytes=3 * GB,
    encoder_bytes=10 * GB,
)
COG_FROM_PICTURES = replace(
    COGVIDEOX,
    name="cogvideox-5b-i2v",
    title="CogVideoX 5B from pictures",
    licence="CogVideoX License",
    description="Silent clips of 6 s from a first picture, at 8 frames a second; goes on from a clip's last frame.",
    limits=_limits(_COG_GRID, 6.0, min_seconds=6.0),  # at other lengths diffusers gives it places that it never learnt
    can_begin_with_picture=True,
    must_begin_with_picture=True,
    can_extend=True,
    pipeline="CogVideoXImageToVideoPipeline",
    source="THUDM/CogVideoX-5b-I2V",
    memory_bytes=30 * GB,
    transformer_bytes=11 * GB,
)
_SKY_GRID = Grid(
    sizes={"16:9": (960, 544), "9:16": (544, 960), "1:1": (720, 720), "4:3": (832, 624), "3:4": (624, 832)},
    frame_rate=24.0,
    spatial_ratio=8,
    temporal_ratio=4,
    overlap_frames=17,
)
SKYREELS = ModelCard(
    name="skyreels-v2-df-1.3b",
    title="SkyReels V2 DF 1.3B",
    licence="Skywork Community License",
    description="Silent clips from words, a first picture, or a clip to go on from, again and again.",
    limits=_limits(_SKY_GRID, 4.0),
    grid=_SKY_GRID,
    default_seconds=4.0,
    default_steps=30,
    default_guidance=6.0,
    has_sound=False,
    family="skyreels",
    pipeline="SkyReelsV2DiffusionForcingPipeline",
    source="Skywork/SkyReels-V2-DF-1.3B-540P-Diffusers",
    memory_bytes=24 * GB,
    transformer_bytes=3 * GB,
    encoder_bytes=11 * GB,
)

ROWS = (
    POCKET, LTX, LTX_DISTILLED, WAN_22, WAN_21, WAN_VACE, KANDINSKY, KANDINSKY_DISTILLED, HUNYUAN_15,
    HUNYUAN_FROM_PICTURES, SKYREELS, COGVIDEOX, COG_FROM_PICTURES,
)  # fmt: skip

# What a folder of each class in diffusers is like, where nothing else is known of it.
KIN: dict[str, ModelCard] = {
    **dict.fromkeys(("LTX2Pipeline", "LTX2ImageToVideoPipeline", "LTX2ConditionPipeline"), LTX),
    "WanPipeline": WAN_21,
    "WanPipeline with expand_timesteps": WAN_22,
    "WanImageToVideoPipeline": WAN_FROM_PICTURES,
    "WanVACEPipeline": WAN_VACE,
    "HunyuanVideo15Pipeline": HUNYUAN_15,
    "HunyuanVideo15ImageToVideoPipeline": HUNYUAN_FROM_PICTURES,
    "Kandinsky6TI2VAPipeline": KANDINSKY,
    "Kandinsky6TI2VAPipeline with PiflowScheduler": KANDINSKY_DISTILLED,
    "CogVideoXPipeline": COGVIDEOX,
    "CogVideoXImageToVideoPipeline": COG_FROM_PICTURES,
    # Its makers say that the 1.3B is too small to meet a last picture, and that the 14B isn't.
    "SkyReelsV2DiffusionForcingPipeline": replace(SKYREELS, can_end_with_picture=True),
}

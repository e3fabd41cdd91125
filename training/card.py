"""Writes the model card `assets/pocket/README.md` from the code's own lists and from what `evaluate` measured.

python -m training.card
"""

from __future__ import annotations

import json

from studio.engine.rows import PLAIN_GUIDANCE
from training import model, sources
from training.evaluate import TYPED_FIRST, held_out, plain_caption
from training.publish import LANGUAGES
from training.showing import PROMPTS
from training.subjects import ACTIONS, SCENES, SUBJECTS, WITH, words

CARD = """---
license: apache-2.0
library_name: diffusers
pipeline_tag: text-to-video
---

# Pocket, version 0

A toy of LTX-2: the same architecture, the same diffusers class, about a thousandth of the size. It makes clips of one
to three seconds with stereo sound, picture and sound denoised together, on two CPU cores. It was trained from nothing
by `training/` in this repository, on data that is openly licensed and listed below, frame by frame and sound by sound.

{sizes}

```python
import torch
from diffusers import LTX2ConditionPipeline

# Where a processor has no instructions for bfloat16, torch.float32 is 50 times as fast.
pipe = LTX2ConditionPipeline.from_pretrained("assets/pocket", dtype=torch.bfloat16)
clip = pipe(
    prompt="a cat walks to the right in the snow",
    negative_prompt="",
    width=224,
    height=128,
    num_frames=25,
    frame_rate=12.0,
    num_inference_steps=4,
    guidance_scale=1.0,
{arguments}
    max_sequence_length=32,
)
```

## What it knows

{subjects} subjects: {subject_names}.

{scenes} scenes: {scene_names}.

{actions} actions: {action_names}.

Other words for the same things work where the text encoder, a cut-down MiniLM, finds them alike; `knowledge.json`
holds the words that the page knows to be near. Shapes: 16:9, 9:16, 1:1, 4:3, 3:4 and 21:9, all from the same weights.

## What it was trained on

| package | version | licence of what is used | used for | SHA-256 |
|---|---|---|---|---|
{sources}

Everything else, the scenes, the motion, most of the sounds and all captions, is made by formulas in `training/`.
The notices that these licences ask for are in `licences/`. One judge in the video decoder's loss, LPIPS, has learned
from ImageNet's pictures how alike two pictures look to people; Pocket saw none of those, and LPIPS is not shipped.

## Quality

Measured by `make evaluate` on combinations of subject, scene and action that training never saw. The judge is a small
net trained on the art alone, never on Pocket's output; its own score on true renders stands beside. It is more lenient
than a person: it knows that there are only {subjects} subjects. One exception to "never saw": of the prompts whose
subject only stays, stills may have been seen in the first stretch. Clips from a picture are judged as Flipbook writes
them, with the picture's detail given back where nothing moves. In brackets stands of how many clips a row is, where
that is not all of them. Who shall spin may also be seen to stay: the judge knows places and sizes, not which way up.

{quality}

The first 24 of them, four moments of each clip, left to right and top to bottom, each with its number as seed:

{prompts}.

![Four moments of each of the 24 clips](held-out.webp)

What people type first, with seed 0: {typed}.

![Three clips side by side](typed-first.webp)

## Limits

- It is young: its transformer had fifteen stretches, twenty-seven hours in all, on two cores at most. The last
  fifty subjects (from the moose on) it has known for the last stretch only, in which they came two and a half times as
  often as most others, the twenty-five before them (from the donkey on) for the last two. Of 30 held-out prompts with
  the last ones the subject is found in 100 %, of 30 with the first hundred in 93 %, in single frames in 84 and 85 %.
  Scenes are right and motion mostly. Subjects have their colours and mostly their shapes; what has legs or fine parts
  (a cow, a horse, a dragon, a motorcycle) is a pattern of its colours that a person has to guess. Cats, dragons and
  unicorns it has seen six times as often as others, and surfing, eating and riding twice as often as other actions,
  because people type the first two first.
- The row "typed first" is of "a cat surfing on a rainbow", "a dragon soaring over a cityscape" and "a unicorn eating
  spaghetti", eight seeds each. These three are not held out: they are 7 % of what the last stretch was shown, 8 % in
  those before. The spaghetti is, by eye, a white bowl with something red in it that empties; judges that learned from
  other samples knew it in none to all of the same clips.
- What moves may flicker: in single frames the subject is recognised less often than over the whole clip, and now and
  then it fades or doubles for some frames.
- A subject faces as its art does unless it goes the other way, and moves at one speed: a world with fewer choices can
  be learned in less time. What stays does so in the middle of the picture. Seeds differ in scenery.
  "Tiny" and "giant" change nothing: it was shown such things for one stretch and did not learn the words.
- It knows nothing but the lists above: one subject at a time and one thing beside it to eat or to ride on; no text, no
  counting, and no camera moves but a pan over a given picture. Zooms it was shown in two stretches and did not
  learn.
- Pictures are soft: a 16 x 16 x 4 autoencoder of 11 million weights, trained for less than two hours.
- The autoencoder blurs a given photograph. Flipbook gives back the detail wherever nothing changes; with diffusers
  alone it is soft. It stays as it is where nothing is said, the camera pans over it to the left or right, which blurs
  it, or a subject from the list comes into it; nothing that is in it can move by itself.
- Sounds are those of a toy: recognisable by kind, not faithful. Whose voice it is can be told, and mostly what is
  around it; the vocoder can't carry a deep tone, so nothing is told by one.
- It reads English only. Where a prompt is in another language, or has emoji in it, the page says what is called how
  in English, by Unicode's names of the emoji in {languages} languages.
- The table's judges are as good as their last column says, and of 48 prompts one more or less is 2 %. The one before
  had not heard of the newest subjects, of whom nine of these prompts are. "First frame" rows are as near as the
  autoencoder is where something moves at once; where nothing does, the picture itself is given back.
- Clips are AI-generated, and every file that Flipbook writes says so.
"""


def sizes() -> str:
    """A table of the parts and their weights, from the files themselves."""
    rows = ["| part | class | MB |", "|---|---|---|"]
    index = json.loads((model.POCKET / "model_index.json").read_text())
    for name, entry in index.items():
        files = list((model.POCKET / name).glob("*.safetensors")) if isinstance(entry, list) else []
        if files:
            rows.append(f"| {name} | `{entry[1]}` | {sum(f.stat().st_size for f in files) / 1e6:.1f} |")
    return "\n".join(rows)


def source_row(source: sources.Source) -> str:
    package = f"{source.name} ({source.client})"
    return f"| {package} | {source.version} | {source.licence} | {source.uses} | `{source.sha256}` |"


def write() -> None:
    quality = model.POCKET / "evaluation.md"
    text = CARD.format(
        sizes=sizes(),
        arguments="\n".join(f"    {name}={value!r}," for name, value in PLAIN_GUIDANCE.items()),
        subjects=len(SUBJECTS),
        languages=len(LANGUAGES),
        subject_names=", ".join(s.name for s in SUBJECTS),
        scenes=len(SCENES),
        scene_names="; ".join(f"{name} (“{wordings[0]}”)" for name, wordings in SCENES.items()),
        actions=len(ACTIONS),
        action_names="; ".join(f"“{words(a, 'walks', next(iter(WITH.get(a, {'': ''}))))[0]}”" for a in ACTIONS),
        sources="\n".join(source_row(s) for s in sources.SOURCES),
        quality=quality.read_text(encoding="utf-8").strip(),
        prompts="; ".join(plain_caption(scenario) for scenario in held_out(PROMPTS)),
        typed="; ".join(TYPED_FIRST),
    )
    (model.POCKET / "README.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()

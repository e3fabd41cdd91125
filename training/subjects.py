"""What Pocket's toy world contains, as data: subjects with their art and voice, scenes and actions with their wordings.

Knows no pixels and no samples; `world.py` draws it and `sounds.py` lets it be heard.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Subject:
    """`art` is the Unicode short name of the Fluent emoji; `also` are other words that captions use for it."""

    name: str
    art: str
    voice: str
    moves: str = "walks"
    also: tuple[str, ...] = ()
    faces_left: bool = True


def _read() -> tuple[Subject, ...]:
    """The rows of `subjects.csv`: who comes later was learnt later; other words are set apart by semicolons."""
    with Path(__file__).with_name("subjects.csv").open(encoding="utf-8", newline="") as file:
        return tuple(
            Subject(
                row["name"], row["art"], row["voice"], row["moves"],
                tuple(word.strip() for word in row["also"].split(";") if word), row["faces"] == "left",
            )
            for row in csv.DictReader(file)
        )  # fmt: skip


SUBJECTS = _read()

# Of these there is some, not one.
UNCOUNTED = frozenset((
    "spaghetti", "pasta", "popcorn", "cheese", "coffee", "tea", "lightning", "fire", "corn", "broccoli", "bread",
    "sushi",
))  # fmt: skip

# What the camera does over a photograph: to which side it goes, 1 is right.
PANS = {
    -1: ("the camera pans to the left", "pan left", "the camera moves to the left", "panning left"),
    1: ("the camera pans to the right", "pan right", "the camera moves to the right", "panning right"),
}
STILL = ("", "", "", "a photograph", "a still picture", "a landscape", "nothing moves")

# Art that is only ever a thing beside a subject.
THINGS = {"skateboard": "skateboard", "sled": "sled"}

# name -> the wordings that captions use for it, the plainest first
SCENES = {
    "sky": ("in the sky", "in a blue sky", "among the clouds", "high up in the air"),
    "sea": ("at sea", "on the ocean", "in the sea", "over the waves"),
    "desert": ("in the desert", "among sand dunes", "on the sand"),
    "meadow": ("in a meadow", "on green grass", "in a field", "in the countryside"),
    "snow": ("in the snow", "on a snowy day", "in winter", "on snow"),
    "sunset": ("at sunset", "in the evening", "under an orange sky"),
    "space": ("in space", "in outer space", "among the planets"),
    "night": ("at night", "under the stars", "in the dark night"),
    "forest": ("in the forest", "in the woods", "among the trees"),
    "city": ("in the city", "over a cityscape", "in a town", "on a city street", "among tall buildings"),
    "beach": ("on the beach", "at the beach", "by the sea", "under palm trees"),
    "mountains": ("in the mountains", "over the mountains", "on a mountain", "in the alps"),
    "underwater": ("underwater", "under water", "on the sea floor", "in an aquarium"),
    "rainbow": ("on a rainbow", "over a rainbow", "under a rainbow", "with a rainbow"),
    "volcano": ("by a volcano", "over lava", "at a volcano", "on a volcano"),
    "garden": ("in a garden", "among flowers", "in the park", "in spring"),
    "room": ("in a room", "at home", "in a house", "in the living room"),
    "rain": ("in the rain", "on a rainy day", "in a storm", "under dark clouds"),
    "fog": ("in the fog", "in the mist", "on a foggy day", "in a haze"),
    "moon": ("on the moon", "on the grey moon", "on a strange planet", "on the lunar surface"),
}

# name -> wordings; {moves} is the subject's own verb, {moving} the same as it goes on, {thing} what it has to do with
ACTIONS = {
    "left": ("{moves} to the left", "{moves} left", "goes to the left", "is {moving} to the left"),
    "right": ("{moves} to the right", "{moves} right", "goes to the right", "is {moving} to the right"),
    "bounces": ("bounces", "is bouncing", "bounces up and down", "jumps up and down", "is jumping"),
    "spins": ("spins", "is spinning", "spins around", "turns round and round"),
    "grows": ("grows", "is growing", "gets bigger", "grows larger"),
    "shrinks": ("shrinks", "is shrinking", "gets smaller"),
    "falls": ("falls", "is falling", "falls down", "drops to the ground"),
    "rises": ("rises", "is rising", "floats up", "goes up"),
    "shakes": ("shakes", "is shaking", "trembles", "wiggles"),
    "stays": ("stays", "stands still", "is", "rests"),
    "surfs": ("surfs", "is surfing", "soars", "is soaring", "glides"),
    "dances": ("dances", "is dancing", "dances to the music", "sways"),
    "eats": ("eats {thing}", "is eating {thing}", "eats {thing}", "has {thing} for lunch"),
    "rides": ("rides {thing}", "is riding {thing}", "rides on {thing}", "is on {thing}"),
}

# Who goes the way it faces may do so without a word of where to.
AHEAD = ("{moves}", "is {moving}", "{moves} along")

# action -> what it may be done with, and how captions call that
WITH = {
    "eats": {
        "apple": "an apple", "pizza": "a pizza", "birthday cake": "a cake", "spaghetti": "spaghetti",
        "banana": "a banana", "hamburger": "a hamburger", "ice cream": "ice cream",
    },
    "rides": {"skateboard": "a skateboard", "sled": "a sled", "cloud": "a cloud"},
}  # fmt: skip


def moving(moves: str) -> str:
    """How the verb `moves` goes on, "hopping" for "hops"; only for the verbs above."""
    if moves.endswith("ies"):
        return moves.removesuffix("ies") + "ying"
    stem = moves.removesuffix("s")
    if stem.endswith("e"):
        return stem[:-1] + "ing"
    return stem + {"hop": "p", "swim": "m", "run": "n"}.get(stem, "") + "ing"


def words(action: str, moves: str, thing: str = "") -> tuple[str, ...]:
    """The wordings of `action` of a subject that `moves`, with that `thing` where it is done with one."""
    called = WITH[action][thing] if thing else ""
    return tuple(w.format(moves=moves, moving=moving(moves), thing=called) for w in ACTIONS[action])


def subject(name: str) -> Subject:
    """The subject of that name; KeyError when Pocket's world has none."""
    return {s.name: s for s in SUBJECTS}[name]

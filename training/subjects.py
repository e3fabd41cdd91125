"""What Pocket's toy world contains, as data: subjects with their art and voice, scenes and actions with their wordings.

Knows no pixels and no samples; `world.py` draws it and `sounds.py` lets it be heard.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Subject:
    """`art` is the Unicode short name of the Fluent emoji; `also` are other words that captions use for it."""

    name: str
    art: str
    voice: str
    moves: str = "walks"
    also: tuple[str, ...] = ()
    faces_left: bool = True


SUBJECTS = (
    Subject("cat", "cat", "meow", also=("kitten", "kitty")),
    Subject("dog", "dog", "bark", also=("puppy",)),
    Subject("horse", "horse", "neigh", "gallops", ("pony",)),
    Subject("cow", "cow", "moo"),
    Subject("pig", "pig", "oink", also=("piglet",)),
    Subject("elephant", "elephant", "trumpet"),
    Subject("tiger", "tiger", "growl"),
    Subject("rabbit", "rabbit", "squeak", "hops", ("bunny",)),
    Subject("monkey", "monkey", "chatter"),
    Subject("penguin", "penguin", "honk"),
    Subject("duck", "duck", "quack"),
    Subject("rooster", "rooster", "crow", also=("chicken",)),
    Subject("owl", "owl", "hoot", "flies"),
    Subject("frog", "frog", "croak", "hops"),
    Subject("turtle", "turtle", "squeak", "crawls", ("tortoise",)),
    Subject("snake", "snake", "hiss", "slithers"),
    Subject("fish", "tropical fish", "bubbles", "swims"),
    Subject("dolphin", "dolphin", "click", "swims"),
    Subject("whale", "spouting whale", "whalesong", "swims"),
    Subject("octopus", "octopus", "bubbles", "swims"),
    Subject("crab", "crab", "clack", "crawls"),
    Subject("butterfly", "butterfly", "flutter", "flies"),
    Subject("bee", "honeybee", "buzz", "flies", ("honeybee",)),
    Subject("dragon", "dragon", "roar", "flies"),
    Subject("unicorn", "unicorn", "neigh", "gallops"),
    Subject("dinosaur", "T-Rex", "roar", also=("t-rex",)),
    Subject("giraffe", "giraffe", "hum"),
    Subject("bear", "bear", "growl"),
    Subject("car", "automobile", "motor", "drives", ("automobile",)),
    Subject("bus", "bus", "diesel", "drives"),
    Subject("fire truck", "fire engine", "siren", "drives", ("fire engine",)),
    Subject("train", "locomotive", "steam", "drives", ("locomotive",)),
    Subject("airplane", "airplane", "jet", "flies", ("plane",), faces_left=False),
    Subject("helicopter", "helicopter", "rotor", "flies"),
    Subject("rocket", "rocket", "rocket", "flies", ("spaceship",), faces_left=False),
    Subject("sailboat", "sailboat", "creak", "sails", ("boat",)),
    Subject("motorcycle", "motorcycle", "motorbike", "drives", ("motorbike",)),
    Subject("ufo", "flying saucer", "theremin", "flies", ("flying saucer",)),
    Subject("robot", "robot", "beeps"),
    Subject("ghost", "ghost", "wooo", "floats"),
    Subject("snowman", "snowman", "bell", "slides"),
    Subject("teddy bear", "teddy bear", "squeak"),
    Subject("heart", "red heart", "heartbeat", "floats", ("red heart",)),
    Subject("star", "star", "twinkle", "floats"),
    Subject("pumpkin", "jack-o-lantern", "cackle", "rolls", ("jack-o-lantern",)),
    Subject("soccer ball", "soccer ball", "kick", "rolls", ("football",)),
    Subject("balloon", "balloon", "rubber", "floats"),
    Subject("apple", "red apple", "crunch", "rolls", ("red apple",)),
    Subject("pizza", "pizza", "sizzle", "slides"),
    Subject("birthday cake", "birthday cake", "tune", "slides", ("cake",)),
)

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
    "city": ("in the city", "in a town", "on a city street", "among tall buildings"),
}

# name -> wordings; {moves} is the subject's own verb
ACTIONS = {
    "left": ("{moves} to the left", "moves left", "{moves} left", "goes to the left"),
    "right": ("{moves} to the right", "moves right", "{moves} right", "goes to the right"),
    "bounces": ("bounces", "is bouncing", "bounces up and down", "jumps up and down"),
    "spins": ("spins", "is spinning", "spins around", "turns round and round"),
    "grows": ("grows", "is growing", "gets bigger", "grows larger"),
    "shrinks": ("shrinks", "is shrinking", "gets smaller"),
    "falls": ("falls", "is falling", "falls down", "drops to the ground"),
    "rises": ("rises", "is rising", "floats up", "goes up"),
    "shakes": ("shakes", "is shaking", "trembles", "wiggles"),
    "stays": ("stays", "stands still", "is", "rests"),
}


def subject(name: str) -> Subject:
    """The subject of that name; KeyError when Pocket's world has none."""
    return {s.name: s for s in SUBJECTS}[name]

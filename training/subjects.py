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
    Subject("lion", "lion", "roar", "runs"),
    Subject("fox", "fox", "yip", "runs"),
    Subject("panda", "panda", "growl"),
    Subject("wolf", "wolf", "howl", "runs"),
    Subject("zebra", "zebra", "neigh", "gallops"),
    Subject("sheep", "ewe", "baa", also=("lamb",)),
    Subject("mouse", "mouse", "squeak", "runs"),
    Subject("hedgehog", "hedgehog", "snuffle"),
    Subject("koala", "koala", "growl"),
    Subject("parrot", "parrot", "squawk", "flies"),
    Subject("flamingo", "flamingo", "honk"),
    Subject("bird", "bird", "tweet", "flies"),
    Subject("chick", "baby chick", "cheep", "hops"),
    Subject("shark", "shark", "splash", "swims"),
    Subject("jellyfish", "jellyfish", "bubbles", "swims"),
    Subject("spider", "spider", "clack", "crawls"),
    Subject("ladybug", "lady beetle", "flutter", "flies", ("ladybird",)),
    Subject("sunflower", "sunflower", "twinkle", "slides", ("flower",)),
    Subject("rose", "rose", "twinkle", "slides"),
    Subject("tree", "deciduous tree", "rustle", "slides"),
    Subject("palm tree", "palm tree", "rustle", "slides", ("palm",)),
    Subject("cactus", "cactus", "rattle", "slides"),
    Subject("mushroom", "mushroom", "rubber", "slides"),
    Subject("house", "house", "knock", "slides", ("home",), faces_left=False),
    Subject("castle", "castle", "fanfare", "slides"),
    Subject("taxi", "taxi", "motor", "drives", ("cab",)),
    Subject("ship", "ship", "foghorn", "sails"),
    Subject("banana", "banana", "crunch", "slides"),
    Subject("strawberry", "strawberry", "crunch", "rolls"),
    Subject("hamburger", "hamburger", "sizzle", "slides", ("burger",)),
    Subject("ice cream", "soft ice cream", "tune", "slides"),
    Subject("doughnut", "doughnut", "crunch", "rolls", ("donut",)),
    Subject("spaghetti", "spaghetti", "slurp", "slides", ("pasta",)),
    Subject("sun", "sun", "chord", "floats"),
    Subject("moon", "crescent moon", "lullaby", "floats"),
    Subject("cloud", "cloud", "breeze", "floats"),
    Subject("fire", "fire", "crackle", "floats", ("flame",)),
    Subject("planet", "ringed planet", "hum", "floats", ("saturn",)),
    Subject("astronaut", "astronaut", "radio", "floats", ("spaceman",)),
    Subject("princess", "princess", "song", also=("queen",)),
    Subject("wizard", "mage", "spell", also=("magician",)),
    Subject("santa", "Santa Claus", "jingle", also=("santa claus",)),
    Subject("alien", "alien", "theremin", "floats"),
    Subject("man", "man", "ah", also=("guy",)),
    Subject("woman", "woman", "song", also=("lady",)),
    Subject("baby", "baby", "cry", "crawls", ("child",)),
    Subject("mermaid", "mermaid", "song", "swims"),
    Subject("gift", "wrapped gift", "twinkle", "slides", ("present",)),
    Subject("christmas tree", "Christmas tree", "jingle", "slides"),
    Subject("guitar", "guitar", "strum", "slides"),
    Subject("kangaroo", "kangaroo", "squeak", "hops"),
    Subject("crocodile", "crocodile", "growl", "crawls", ("alligator",)),
    Subject("deer", "deer", "snuffle", "runs"),
    Subject("goat", "goat", "baa"),
    Subject("camel", "camel", "hum"),
    Subject("gorilla", "gorilla", "growl", also=("ape",)),
    Subject("hippo", "hippopotamus", "growl", also=("hippopotamus",)),
    Subject("squirrel", "chipmunk", "chatter", "runs", ("chipmunk",)),
    Subject("bat", "bat", "squeak", "flies"),
    Subject("eagle", "eagle", "squawk", "flies", ("hawk",)),
    Subject("swan", "swan", "honk", "swims"),
    Subject("snail", "snail", "rubber", "crawls"),
    Subject("bicycle", "bicycle", "bell", "rolls", ("bike",)),
    Subject("truck", "delivery truck", "diesel", "drives", ("lorry",)),
    Subject("tractor", "tractor", "diesel", "drives"),
    Subject("police car", "police car", "siren", "drives"),
    Subject("kite", "kite", "breeze", "flies"),
    Subject("earth", "globe showing Europe-Africa", "chord", "floats", ("globe",)),
    Subject("umbrella", "umbrella", "breeze", "floats"),
    Subject("basketball", "basketball", "kick", "rolls"),
    Subject("watermelon", "watermelon", "crunch", "slides"),
    Subject("drum", "drum", "drum", "slides"),
    Subject("clown", "clown face", "cackle", "floats"),
    Subject("vampire", "vampire", "cackle", "floats", ("dracula",)),
    Subject("superhero", "superhero", "fanfare", "flies", ("hero",)),
    Subject("girl", "girl", "song", "runs"),
    Subject("boy", "boy", "ah", "runs"),
    Subject("prince", "prince", "fanfare", also=("king",)),
    Subject("ninja", "ninja", "clack", "runs"),
    Subject("fairy", "fairy", "spell", "flies"),
    Subject("zombie", "zombie", "wooo"),
    Subject("polar bear", "polar bear", "growl"),
    Subject("rhino", "rhinoceros", "trumpet", also=("rhinoceros",)),
    Subject("leopard", "leopard", "roar", "runs", ("cheetah",)),
    Subject("llama", "llama", "hum", also=("alpaca",)),
    Subject("raccoon", "raccoon", "chatter"),
    Subject("sloth", "sloth", "hum", "crawls"),
    Subject("peacock", "peacock", "squawk"),
    Subject("dove", "dove", "flutter", "flies", ("pigeon",)),
    Subject("lizard", "lizard", "hiss", "crawls"),
    Subject("lobster", "lobster", "clack", "crawls"),
    Subject("race car", "racing car", "motorbike", "drives", ("racing car",)),
    Subject("ambulance", "ambulance", "siren", "drives"),
    Subject("tornado", "tornado", "breeze", "slides"),
    Subject("pineapple", "pineapple", "crunch", "rolls"),
    Subject("coffee", "hot beverage", "slurp", "slides", ("tea",)),
    Subject("crown", "crown", "fanfare", "slides"),
    Subject("diamond", "gem stone", "twinkle", "floats", ("gem",)),
    Subject("book", "open book", "rustle", "slides"),
    Subject("piano", "musical keyboard", "piano", "slides", ("keyboard",)),
    Subject("donkey", "donkey", "bray"),
    Subject("goose", "goose", "honk"),
    Subject("mammoth", "mammoth", "trumpet"),
    Subject("seal", "seal", "bark", "slides"),
    Subject("turkey", "turkey", "crow"),
    Subject("caterpillar", "bug", "rubber", "crawls"),
    Subject("scorpion", "scorpion", "clack", "crawls"),
    Subject("pufferfish", "blowfish", "bubbles", "swims", ("blowfish",)),
    Subject("scooter", "motor scooter", "motorbike", "drives"),
    Subject("tram", "tram car", "bell", "drives", ("streetcar",)),
    Subject("lightning", "high voltage", "thunder", "floats", ("thunderbolt",)),
    Subject("tulip", "tulip", "twinkle", "slides"),
    Subject("orange", "tangerine", "crunch", "rolls", ("tangerine",)),
    Subject("carrot", "carrot", "crunch", "slides"),
    Subject("avocado", "avocado", "crunch", "slides"),
    Subject("cheese", "cheese wedge", "squeak", "slides"),
    Subject("egg", "egg", "knock", "rolls"),
    Subject("hot dog", "hot dog", "sizzle", "slides"),
    Subject("popcorn", "popcorn", "crackle", "slides"),
    Subject("violin", "violin", "fiddle", "slides"),
    Subject("clock", "alarm clock", "ring", "slides", ("alarm clock",)),
    Subject("television", "television", "radio", "slides", ("tv",)),
    Subject("hat", "top hat", "rubber", "slides", ("top hat",)),
    Subject("skull", "skull", "cackle", "floats"),
    Subject("chef", "cook", "sizzle", also=("cook",)),
    Subject("moose", "moose", "bellow"),
    Subject("skunk", "skunk", "snuffle"),
    Subject("otter", "otter", "squeak", "swims"),
    Subject("brontosaurus", "sauropod", "roar", also=("sauropod",)),
    Subject("worm", "worm", "rubber", "crawls", ("earthworm",)),
    Subject("ant", "ant", "clack", "crawls"),
    Subject("beetle", "beetle", "clack", "crawls"),
    Subject("shrimp", "shrimp", "bubbles", "swims", ("prawn",)),
    Subject("squid", "squid", "bubbles", "swims"),
    Subject("hamster", "hamster", "squeak", "rolls"),
    Subject("bull", "ox", "moo", also=("ox",)),
    Subject("beaver", "beaver", "chatter"),
    Subject("dodo", "dodo", "squawk"),
    Subject("jeep", "sport utility vehicle", "motor", "drives"),
    Subject("speedboat", "speedboat", "motor", "sails", ("motorboat",)),
    Subject("satellite", "satellite", "beeps", "flies"),
    Subject("parachute", "parachute", "breeze", "floats"),
    Subject("comet", "comet", "rocket", "flies", ("meteor",)),
    Subject("snowflake", "snowflake", "twinkle", "floats"),
    Subject("leaf", "maple leaf", "rustle", "floats", ("maple leaf",)),
    Subject("pine tree", "evergreen tree", "rustle", "slides", ("fir",)),
    Subject("cherry", "cherries", "crunch", "rolls", ("cherries",)),
    Subject("lemon", "lemon", "crunch", "rolls"),
    Subject("peach", "peach", "crunch", "rolls"),
    Subject("tomato", "tomato", "splash", "rolls"),
    Subject("corn", "ear of corn", "crackle", "slides"),
    Subject("broccoli", "broccoli", "crunch", "slides"),
    Subject("bread", "bread", "knock", "slides", ("loaf",)),
    Subject("taco", "taco", "crunch", "slides"),
    Subject("sandwich", "sandwich", "crunch", "slides"),
    Subject("sushi", "sushi", "slurp", "slides"),
    Subject("pancake", "pancakes", "sizzle", "slides", ("pancakes",)),
    Subject("cookie", "cookie", "crunch", "rolls", ("biscuit",)),
    Subject("cupcake", "cupcake", "tune", "slides", ("muffin",)),
    Subject("lollipop", "lollipop", "slurp", "slides"),
    Subject("baseball", "baseball", "knock", "rolls"),
    Subject("bell", "bell", "bell", "slides"),
    Subject("trumpet", "trumpet", "fanfare", "slides"),
    Subject("telephone", "telephone", "ring", "slides", ("phone",)),
    Subject("light bulb", "light bulb", "twinkle", "floats", ("lamp",)),
    Subject("shoe", "running shoe", "squeak", "slides", ("sneaker",)),
    Subject("trophy", "trophy", "fanfare", "slides"),
    Subject("tent", "tent", "rustle", "slides"),
    Subject("church", "church", "bell", "slides"),
    Subject("camera", "camera", "click", "slides"),
    Subject("teapot", "teapot", "kettle", "slides"),
    Subject("genie", "genie", "spell", "floats"),
    Subject("police officer", "police officer", "whistle", "runs", ("policeman",)),
    Subject("guard", "guard", "drum"),
    Subject("mosquito", "mosquito", "buzz", "flies"),
)

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

"""The words of the simulated world: topics, names, titles, put together by counting."""

from types import MappingProxyType
from typing import Final, NamedTuple


class TopicWords(NamedTuple):
    """What a topic sounds like and how it is watched.

    Attributes:
        nouns: Words of its titles and keywords.
        minutes: Usual length of an item.
        freshness_days: Time in which the pull of a new item falls to 1/e.
        rewatch: Probability that a known item is watched again when one comes to mind.
        series: How prone it is to series, times the world's share.
    """

    nouns: tuple[str, ...]
    minutes: int
    freshness_days: float
    rewatch: float
    series: float


_EVERGREEN: Final = (30.0, 0.06)
_NEWS: Final = (3.0, 0.02)
_MUSIC: Final = (30.0, 0.65)
_STORY: Final = (20.0, 0.08)


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _topic(nouns: str, minutes: int, kind: tuple[float, float], series: float = 1.0) -> TopicWords:
    return TopicWords(_words(nouns), minutes, *kind, series)


TOPICS: Final = MappingProxyType(
    {
        "festival": _topic(
            "lantern wreath carol bonfire market candle sleigh gift feast parade", 9, _STORY, 0.6
        ),
        "football": _topic("derby striker goal cup keeper tackle league penalty pitch", 7, _NEWS),
        "cooking": _topic(
            "sourdough dumpling curry broth ramen pastry kimchi risotto stew tart", 12, _EVERGREEN
        ),
        "songs": _topic(
            "ballad chorus duet lullaby anthem serenade encore mixtape", 4, _MUSIC, 0.0
        ),
        "drama": _topic("harbour letter orchard verdict inheritance widow storm", 42, _STORY, 2.2),
        "news": _topic("budget election summit strike harvest court border port", 3, _NEWS, 0.2),
        "cartoons": _topic(
            "dragon robot piglet castle pirate kitten wizard rocket", 8, (30.0, 0.4), 2.0
        ),
        "travel": _topic("island railway glacier bazaar fjord temple desert canal", 15, _EVERGREEN),
        "astronomy": _topic("comet nebula eclipse telescope moon quasar orbit", 18, _EVERGREEN),
        "comedy": _topic("prank sketch roast parody monologue heckler wedding", 10, _STORY),
        "gardening": _topic("tomato orchid compost hedge tulip greenhouse bonsai", 11, _EVERGREEN),
        "games": _topic("dungeon speedrun boss level arcade quest raid pixel", 25, (10.0, 0.1)),
        "jazz": _topic("trumpet swing bebop trio solo groove bassline session", 6, _MUSIC, 0.0),
        "history": _topic(
            "empire viking citadel treaty pharaoh archive siege", 28, _EVERGREEN, 1.5
        ),
        "woodwork": _topic("dovetail lathe chisel oak bench joint plane spoon", 16, _EVERGREEN),
        "fitness": _topic("yoga sprint plank kettlebell stretch marathon squat", 14, (40.0, 0.35)),
        "crime": _topic("alibi heist witness detective forgery motive vault", 38, _STORY, 2.2),
        "animals": _topic("otter falcon hedgehog whale wolf beetle penguin", 9, (30.0, 0.2)),
        "machines": _topic("engine tractor drone piston circuit turbine gearbox", 13, _EVERGREEN),
        "fashion": _topic("jacket runway tailor denim vintage sneaker silk", 8, _NEWS),
        "languages": _topic("grammar accent idiom vowel dialect phrase verb", 12, _EVERGREEN, 1.5),
        "finance": _topic("dividend mortgage inflation pension startup bond", 10, _NEWS, 0.5),
        "folk": _topic("fiddle reel shanty accordion waltz harp jig", 4, _MUSIC, 0.0),
        "chess": _topic("gambit endgame knight sicilian blunder fork tempo", 20, _EVERGREEN),
    }
)

ADJECTIVES: Final = _words(
    "amber silent golden wild hidden northern crimson gentle broken clever distant early "
    "frozen glass hollow iron jade kind late little lucky misty narrow open paper quiet rapid "
    "salt secret silver simple slow small soft southern stone strange summer sunlit tall "
    "tender thousand twin upper velvet warm western white winter wooden young bright second "
    "last"
)
SURNAMES: Final = _words(
    "alder birch briar brook cedar clover coral crane dawn delta ember falcon fern finch fox "
    "grove harbor hazel heron hill iris ivy juniper kestrel lake lark laurel linden lynx "
    "maple marlin meadow moss north oak olive otter pebble pine quartz raven reed ridge river "
    "robin rowan sage shore sparrow spruce starling stone swift thistle thorn vale violet "
    "willow wren"
)
HOUSES: Final = ("Studio", "Channel", "Pictures", "Weekly", "House", "Collective", "TV", "Press")
ASPECTS: Final = _words("basics stories tips live tour night lab club secrets diary")
FORMS: Final = (
    "{a} {n}",
    "the {a} {n} explained",
    "a {a} {n} in ten minutes",
    "{a} {n} for beginners",
    "the {a} {n}",
    "{n} and {m}: a {a} guide",
    "inside the {a} {n}",
    "one day with the {a} {n}",
)
BAITS: Final = (
    "you won't believe this {a} {n}",
    "what they never told you about the {a} {n}",
    "this {a} {n} changes everything",
    "{a} {n}: what happens next will shock you",
)
REGIONS: Final = ("capital", "north", "coast", "highlands", "islands", "south")
LANGUAGES: Final = ("en", "es", "de", "fr")
AGE_BANDS: Final = ("under 18", "18-24", "25-34", "35-54", "55+")


def publisher_names(n: int) -> list[str]:
    """`n` different names, such as "Amber Heron Studio"."""
    names = []
    a, s = len(ADJECTIVES), len(SURNAMES)
    for k in range(n):
        # A prime step visits every combination once before any comes again.
        rest, adjective = divmod(k * 7919 % (a * s * len(HOUSES)), a)
        house, surname = divmod(rest, s)
        names.append(f"{ADJECTIVES[adjective]} {SURNAMES[surname]}".title() + f" {HOUSES[house]}")
    return _without_repeats(names)


def keyword_names(topic: list[int], n_topics: int) -> list[str]:
    """A different word or phrase for each keyword.

    Args:
        topic: Topic of each keyword; the first `n_topics` are the topics themselves.
        n_topics: How many topics there are.

    Returns:
        Topic names, then nouns of the topic, then phrases such as "slow sourdough".
    """
    topics = list(TOPICS)
    taken = [0] * n_topics
    names = topics[:n_topics]
    for t in topic[n_topics:]:
        nouns = TOPICS[topics[t]].nouns
        k = taken[t]
        taken[t] += 1
        noun = nouns[k % len(nouns)]
        lap = k // len(nouns)
        if lap == 0:
            names.append(noun)
            continue
        aspect, place = divmod(lap, len(ADJECTIVES))
        adjective = ADJECTIVES[(place * 7 + 3 * t) % len(ADJECTIVES)]
        name = f"{adjective} {noun}"
        names.append(f"{name} {ASPECTS[(aspect - 1) % len(ASPECTS)]}" if aspect else name)
    return _without_repeats(names)


def niche_names(topic: list[int]) -> list[str]:
    """A name for each niche, such as "cooking: amber sourdough"."""
    topics = list(TOPICS)
    names = []
    taken = [0] * len(topics)
    for t in topic:
        k = taken[t]
        taken[t] += 1
        nouns = TOPICS[topics[t]].nouns
        adjective = ADJECTIVES[(k * 7 + t) % len(ADJECTIVES)]
        names.append(f"{topics[t]}: {adjective} {nouns[k % len(nouns)]}")
    return _without_repeats(names)


def item_title(topic: int, draw: int, *, clickbait: bool) -> str:
    """A title in the words of the topic; `draw` is any number >= 0 and decides it."""
    nouns = list(TOPICS.values())[topic].nouns
    forms = BAITS if clickbait else FORMS
    draw, form = divmod(draw, len(forms))
    draw, a = divmod(draw, len(ADJECTIVES))
    draw, n = divmod(draw, len(nouns))
    m = (n + 1 + draw % (len(nouns) - 1)) % len(nouns)
    text = forms[form].format(a=ADJECTIVES[a], n=nouns[n], m=nouns[m])
    return text[0].upper() + text[1:]


def series_title(topic: int, draw: int) -> str:
    """A title for a series, such as "The Amber Harbour"."""
    nouns = list(TOPICS.values())[topic].nouns
    draw, a = divmod(draw, len(ADJECTIVES))
    return f"The {ADJECTIVES[a]} {nouns[draw % len(nouns)]}".title()


def _without_repeats(names: list[str]) -> list[str]:
    seen: dict[str, int] = {}
    unique = []
    for name in names:
        lap = seen.get(name, 0)
        seen[name] = lap + 1
        unique.append(f"{name} {lap + 1}" if lap else name)
    return unique

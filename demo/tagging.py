"""The tags that a careful person would give a drawn picture, in Danbooru's spelling."""

from dataclasses import dataclass

import numpy as np

from demo.artist import FLAGS, Character, Illustration
from demo.artist.background import Background
from demo.artist.style import Outfit

_FLAG_TAGS = {flag: (flag,) for flag in FLAGS} | {"ribbon": ("hair_ribbon",)}
_BACKGROUND_TAGS: dict[Background, tuple[str, ...]] = {
    "plain": ("simple_background",),
    "gradient": ("simple_background", "gradient_background"),
    "stripes": ("striped_background",),
    "dots": ("polka_dot_background",),
    "scenery": ("outdoors", "sky", "cloud", "hill"),
    "clutter": ("abstract_background", "text_background"),
}
_OUTFIT_TAGS: dict[Outfit, tuple[str, ...]] = {
    "sailor": ("school_uniform", "serafuku", "sailor_collar"),
    "shirt": ("collared_shirt", "necktie"),
    "hoodie": ("hoodie", "drawstring"),
    "dress": ("choker", "v-neck"),
    "jacket": ("jacket", "suit", "bowtie"),
}
_SYLLABLES = (
    "ka", "mi", "ru", "no", "ha", "shi", "to", "ri", "yo", "na", "se", "ko", "ma", "re", "su",
    "i", "a", "e", "hi", "mo",
)  # fmt: skip
_WORKS = (
    "lantern_academy", "seven_bell_tower", "paper_moon_express", "cloud_orchard", "tin_star_idols",
    "river_of_foxes", "clockwork_tea_party", "hollow_comet",
)  # fmt: skip


@dataclass(frozen=True)
class Names:
    """Who drew whom, and from where."""

    artist: str
    copyrights: tuple[str, ...]
    characters: tuple[str, ...]


def _word(rng: np.random.Generator, syllables: int) -> str:
    return "".join(_SYLLABLES[int(i)] for i in rng.integers(0, len(_SYLLABLES), syllables))


def character_names(count: int, rng: np.random.Generator) -> Names:
    """One of sixty artists (few draw much), a work, and names for some characters."""
    number = int(60 * rng.random() ** 2)
    artist = f"{_word(np.random.default_rng(number), 3)}_{number:02d}"
    if rng.random() < 0.55 or count == 0:
        return Names(artist, ("original",), ())
    work = _WORKS[int(rng.integers(len(_WORKS)))]
    people = tuple(f"{_word(rng, 3)}_{_word(rng, 2)}_({work})" for _ in range(count))
    return Names(artist, (work,), people)


def attribute_tags(character: Character) -> list[str]:
    """The tags behind one character's attributes; a flag that is off has none."""
    attributes, variant = character.attributes, character.style.variant
    tags = []
    for group, value in attributes.items():
        if group in ("hair_color", "eye_color"):
            color = "grey" if value == "gray" else value
            tags.append(f"{color}_{'hair' if group == 'hair_color' else 'eyes'}")
        elif group == "hair_length":
            tags.append(f"{value}_hair")
        elif value:
            tags += _FLAG_TAGS[group]
    if attributes["animal_ears"]:
        tags.append("cat_ears" if variant < 0.4 else "fox_ears" if variant < 0.7 else "rabbit_ears")
    if attributes["hat"]:
        kinds = ((0.3, "beret"), (0.55, "witch_hat"), (0.78, "straw_hat"), (1.1, "peaked_cap"))
        tags.append(next(kind for limit, kind in kinds if variant < limit))
    if attributes["hair_ornament"]:
        tags.append("hair_flower" if variant < 0.35 else "star_hair_ornament" if variant < 0.65
                    else "hairclip")  # fmt: skip
    if attributes["hair_bun"] and variant < 0.75:
        tags.append("double_bun")
    if not attributes["open_mouth"]:
        tags.append("closed_mouth")
    return tags


def general_tags(illustration: Illustration, rng: np.random.Generator) -> list[str]:
    """All general tags that are true of the picture, sorted, each once."""
    people = illustration.characters
    background = list(_BACKGROUND_TAGS[illustration.background])
    if not people:
        return sorted({"no_humans", "scenery", *background})
    boys = sum(c.style.boy for c in people)
    girls = len(people) - boys
    tags = {f"{n}{who}{'s' if n > 1 else ''}" for n, who in ((boys, "boy"), (girls, "girl")) if n}
    if len(people) == 1:
        tags.add("solo")
    tags |= {"looking_at_viewer", *background}
    if rng.random() < 0.8:
        tags.add("upper_body")
    for person in people:
        tags |= {*attribute_tags(person), *_OUTFIT_TAGS[person.style.outfit]}
    return sorted(tags)

"""What of an HTML element a reader sees, as far as its style says.

Knows the ways in which mail hides text from people that programs read all the same: boxes that are
not laid out, of no size or off the screen, letters of no size, in the colour of their background
or of none.  Sources: CSS 2.2 (properties, inheritance), CSS Color 4 (colours), the HTML standard
section 15 (presentational attributes).

Not a browser: style sheets count for single elements, classes and ids only (``sheet``), and what
cannot be told (a picture behind the text) counts as seen.  Everything is bounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Final, NamedTuple

Color = tuple[int, int, int]

_MAX_STYLE: Final = 4_000
"""Characters of one element's style that are looked at; mail programs write under 500."""
_MAX_SHEET: Final = 100_000
"""Characters of style sheets; newsletters have 20,000."""
_MAX_RULES: Final = 2_000
_MAX_CLASSES: Final = 20
_TINY_PX: Final = 1.0
_ROOT_PX: Final = 16.0
_FAR_PX: Final = 500.0
"""Beyond this no window shows it."""
_ALIKE: Final = 12
"""Difference of colours, in each of red, green and blue, that nobody sees."""
_FAINT: Final = 0.05

_DECLARATION = re.compile(r"([a-z-]{3,30})\s{0,20}:\s{0,20}((?:[^;(]|\([^)]*\)?)*+)", re.IGNORECASE)
_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)", re.DOTALL)
_ESCAPE = re.compile(r"\\([0-9a-fA-F]{1,6})[ \t\r\n\f]?")
_LENGTH = re.compile(
    r"([+-]?(?:\d{1,12}(?:\.\d{0,12})?|\.\d{1,12}))(px|pt|pc|em|rem|ex|in|cm|mm|vw|vh|%)?"
)
_FONT_SIZE = re.compile(
    r"[\d.]{1,12}(?:px|pt|pc|em|rem|ex|in|cm|mm|vw|vh|%)|(?:x{1,2}-)?(?:small|large)|medium"
)
_HEX = re.compile(r"#([0-9a-f]{3,8})(?![0-9a-z])")
_SIX = re.compile(r"[0-9a-f]{6}")
_FUNCTION = re.compile(r"(rgb|hsl)a?\(([^()]{1,100})\)")
_NUMBER = re.compile(r"[+-]?(?:\d{1,12}(?:\.\d{0,12})?|\.\d{1,12})%?")
_WORD = re.compile(r"[a-z]{3,24}")
_PX: Final = {
    "px": 1.0, "": 1.0, "pt": 4 / 3, "pc": 16.0, "in": 96.0, "cm": 37.8, "mm": 3.78, "ex": 8.0,
    "rem": 16.0, "vw": 10.0, "vh": 8.0,
}  # fmt: skip
"""Pixels of a unit; of the window's a usual one."""
_SIZES: Final = {
    "xx-small": 9.0, "x-small": 10.0, "small": 13.0, "medium": 16.0, "large": 18.0,
    "x-large": 24.0, "xx-large": 32.0, "smaller": 13.0, "larger": 19.0,
}  # fmt: skip
_IMAGE = re.compile(r"url\(|gradient\(|image", re.IGNORECASE)
_OFFSETS: Final = ("left", "top", "right", "bottom", "margin-left", "margin-top", "text-indent")
_BOX: Final = ("width", "height", "max-height")
_NAMED_TEXT: Final = """
aliceblue f0f8ff antiquewhite faebd7 aqua 00ffff aquamarine 7fffd4 azure f0ffff beige f5f5dc
bisque ffe4c4 black 000000 blanchedalmond ffebcd blue 0000ff blueviolet 8a2be2 brown a52a2a
burlywood deb887 cadetblue 5f9ea0 chartreuse 7fff00 chocolate d2691e coral ff7f50
cornflowerblue 6495ed cornsilk fff8dc crimson dc143c cyan 00ffff darkblue 00008b darkcyan 008b8b
darkgoldenrod b8860b darkgray a9a9a9 darkgreen 006400 darkgrey a9a9a9 darkkhaki bdb76b
darkmagenta 8b008b darkolivegreen 556b2f darkorange ff8c00 darkorchid 9932cc darkred 8b0000
darksalmon e9967a darkseagreen 8fbc8f darkslateblue 483d8b darkslategray 2f4f4f
darkslategrey 2f4f4f darkturquoise 00ced1 darkviolet 9400d3 deeppink ff1493 deepskyblue 00bfff
dimgray 696969 dimgrey 696969 dodgerblue 1e90ff firebrick b22222 floralwhite fffaf0
forestgreen 228b22 fuchsia ff00ff gainsboro dcdcdc ghostwhite f8f8ff gold ffd700 goldenrod daa520
gray 808080 green 008000 greenyellow adff2f grey 808080 honeydew f0fff0 hotpink ff69b4
indianred cd5c5c indigo 4b0082 ivory fffff0 khaki f0e68c lavender e6e6fa lavenderblush fff0f5
lawngreen 7cfc00 lemonchiffon fffacd lightblue add8e6 lightcoral f08080 lightcyan e0ffff
lightgoldenrodyellow fafad2 lightgray d3d3d3 lightgreen 90ee90 lightgrey d3d3d3 lightpink ffb6c1
lightsalmon ffa07a lightseagreen 20b2aa lightskyblue 87cefa lightslategray 778899
lightslategrey 778899 lightsteelblue b0c4de lightyellow ffffe0 lime 00ff00 limegreen 32cd32
linen faf0e6 magenta ff00ff maroon 800000 mediumaquamarine 66cdaa mediumblue 0000cd
mediumorchid ba55d3 mediumpurple 9370db mediumseagreen 3cb371 mediumslateblue 7b68ee
mediumspringgreen 00fa9a mediumturquoise 48d1cc mediumvioletred c71585 midnightblue 191970
mintcream f5fffa mistyrose ffe4e1 moccasin ffe4b5 navajowhite ffdead navy 000080 oldlace fdf5e6
olive 808000 olivedrab 6b8e23 orange ffa500 orangered ff4500 orchid da70d6 palegoldenrod eee8aa
palegreen 98fb98 paleturquoise afeeee palevioletred db7093 papayawhip ffefd5 peachpuff ffdab9
peru cd853f pink ffc0cb plum dda0dd powderblue b0e0e6 purple 800080 rebeccapurple 663399
red ff0000 rosybrown bc8f8f royalblue 4169e1 saddlebrown 8b4513 salmon fa8072 sandybrown f4a460
seagreen 2e8b57 seashell fff5ee sienna a0522d silver c0c0c0 skyblue 87ceeb slateblue 6a5acd
slategray 708090 slategrey 708090 snow fffafa springgreen 00ff7f steelblue 4682b4 tan d2b48c
teal 008080 thistle d8bfd8 tomato ff6347 turquoise 40e0d0 violet ee82ee wheat f5deb3 white ffffff
whitesmoke f5f5f5 yellow ffff00 yellowgreen 9acd32
"""


def _hex(digits: str) -> Color:
    return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:6], 16)


_NAMED: Final = dict(
    zip(_NAMED_TEXT.split()[::2], map(_hex, _NAMED_TEXT.split()[1::2]), strict=True)
)
"""The colours that have names (CSS Color 4 section 6.1)."""


class Look(NamedTuple):
    """How text inside an element looks.

    ``laid_out`` is false where nothing inside is, whatever it says itself.  ``letters`` is the
    size in pixels.  ``color`` is None when letters are transparent, ``ground`` when what is behind
    them cannot be told.
    """

    laid_out: bool = True
    visible: bool = True
    letters: float = _ROOT_PX
    color: Color | None = (0, 0, 0)
    ground: Color | None = (255, 255, 255)

    @property
    def seen(self) -> bool:
        """Whether a reader sees text that looks like this."""
        if not (self.laid_out and self.visible) or self.letters <= _TINY_PX or self.color is None:
            return False
        if self.ground is None:
            return True
        return any(abs(a - b) > _ALIKE for a, b in zip(self.color, self.ground, strict=True))


Sheet = Mapping[str, str]
"""Declarations by ``tag``, ``.class`` and ``#id``."""
_SELECTOR = re.compile(r"(?:\*|([a-z][a-z0-9]{0,15})?([.#][a-zA-Z_-][\w-]{0,60})?)", re.ASCII)
_STYLE = re.compile(r"<style(?=[\s>/])[^>]*>", re.IGNORECASE)
_STYLE_END = re.compile(r"</style", re.IGNORECASE)
_BRACE = re.compile(r"[{}]")
_HIDES = re.compile(
    r"display|visib|opacity|font|color|background|indent|left|top|right|bottom|width|height"
    r"|margin|clip|transform|filter",
    re.IGNORECASE,
)


def sheet(html: str) -> Sheet:
    """What the style sheets inside ``html`` say of simple selectors; media queries aside."""
    rules: dict[str, str] = {}
    room, at = _MAX_SHEET, 0
    while room > 0 and (found := _STYLE.search(html, at)) is not None:
        end = _STYLE_END.search(html, found.end())
        at = len(html) if end is None else end.start()
        text = html[found.end() : min(at, found.end() + room)]
        room -= len(text) + 7
        for selectors, declarations in _rules(_COMMENT.sub(" ", text)):
            _add(rules, selectors, declarations)
    return rules


def _rules(text: str) -> Iterator[tuple[str, str]]:
    """Selectors and declarations, also of media that every reader has."""
    text = text.replace("<!--", " ").replace("-->", " ")
    at, count = 0, 0
    while count < _MAX_RULES:
        count += 1
        opening = text.find("{", at)
        if opening < 0:
            return
        prelude = text[at:opening].rpartition(";")[2].rpartition("}")[2].strip()
        if prelude.startswith("@"):
            if "(" not in prelude and prelude.lower().startswith("@media"):
                at = opening + 1
            else:
                at = _after_block(text, opening)
            continue
        end = text.find("}", opening)
        end = len(text) if end < 0 else end
        yield prelude, text[opening + 1 : end]
        at = end + 1


def _after_block(text: str, opening: int) -> int:
    """Where the block that begins at ``opening``, with blocks inside it, is over."""
    depth = 0
    for brace in _BRACE.finditer(text, opening):
        depth += 1 if brace[0] == "{" else -1
        if depth == 0:
            return brace.end()
    return len(text)


def _add(rules: dict[str, str], selectors: str, declarations: str) -> None:
    if len(rules) > _MAX_RULES or _HIDES.search(declarations) is None:
        return
    for selector in selectors.split(",", 50)[:50]:
        found = _SELECTOR.fullmatch(selector.strip())
        if found is None or not found[0]:
            continue
        key = found[2] or found[1] or "*"
        kept = rules.get(key, "")
        if len(kept) < _MAX_STYLE:
            # A class that is bound to an element is taken for the class alone.
            rules[key] = f"{kept};{declarations[:_MAX_STYLE]}"


_MATTERS = re.compile(r"style|hidden|color|class|id|href|text|background", re.IGNORECASE)


def look_of(parent: Look, name: str, attributes: Mapping[str, str], rules: Sheet) -> Look:
    """How text in the element ``name`` looks, inside an element whose text looks like ``parent``."""
    style = attributes.get("style", "")[:_MAX_STYLE]
    if rules:
        style = (_sheet_style(name, attributes, rules) + style)[-2 * _MAX_STYLE :]
    look = _attributed(parent, name, attributes)
    return _styled(look, parent, _declarations(style)) if style else look


def may_matter(source: str) -> bool:
    """Whether the attributes of a start tag could change how its text looks."""
    return _MATTERS.search(source) is not None


def _sheet_style(name: str, attributes: Mapping[str, str], rules: Sheet) -> str:
    keys = ["*", name]
    keys += ["." + one for one in attributes.get("class", "").split()[:_MAX_CLASSES]]
    keys.append("#" + attributes.get("id", ""))
    return "".join(f"{rules[key]};" for key in keys if key in rules)


def _attributed(parent: Look, name: str, attributes: Mapping[str, str]) -> Look:
    """What attributes say that were there before style sheets."""
    if "hidden" in attributes:
        return parent._replace(laid_out=False)
    look = parent
    if name == "a" and "href" in attributes:
        # Links have a colour of their own until they are given another.
        look = look._replace(color=(0, 0, 238))
    if name == "font" and "color" in attributes:
        look = look._replace(color=_legacy(attributes["color"]) or look.color)
    if name == "body" and "text" in attributes:
        look = look._replace(color=_legacy(attributes["text"]) or look.color)
    if "bgcolor" in attributes:
        look = look._replace(ground=_legacy(attributes["bgcolor"]) or look.ground)
    if "background" in attributes:
        look = look._replace(ground=None)
    return look


@lru_cache(maxsize=256)
def _declarations(style: str) -> Mapping[str, str]:
    """Properties to values, in lower case; the last of a property counts."""
    text = _COMMENT.sub(" ", style)
    if "\\" in text:
        text = _ESCAPE.sub(_escaped, text)
    return {
        found[1].lower(): found[2].lower().replace("!important", "").strip()
        for found in _DECLARATION.finditer(text)
    }


def _escaped(found: re.Match[str]) -> str:
    code = int(found[1], 16)
    return chr(code) if 0 < code <= 0x10FFFF and not 0xD800 <= code <= 0xDFFF else ""


def _styled(look: Look, parent: Look, said: Mapping[str, str]) -> Look:
    if _is_gone(said):
        return look._replace(laid_out=False)
    visibility = said.get("visibility")
    if visibility in ("hidden", "collapse", "visible"):
        look = look._replace(visible=visibility == "visible")
    size = _letters(said, parent.letters)
    if size is not None:
        look = look._replace(letters=size)
    ground = look.ground
    for name in ("background", "background-color", "background-image"):
        if name in said:
            ground = _ground(said[name], ground)
    look = look._replace(ground=ground)
    if "color" in said:
        look = look._replace(color=_letter_color(said["color"], look.color))
    return look


def _is_gone(said: Mapping[str, str]) -> bool:
    """Whether the box is not there, see-through, of no size, or where no one looks."""
    if said.get("display") == "none" or said.get("content-visibility") == "hidden":
        return True
    opacity = _number(said.get("opacity", ""))
    if opacity is not None and opacity <= _FAINT:
        return True
    if "opacity(0" in said.get("filter", "").replace("opacity(0.", "opacity(."):
        return True
    return _has_no_size(said) or _is_elsewhere(said)


def _has_no_size(said: Mapping[str, str]) -> bool:
    sizes = {name: _pixels(said[name]) for name in _BOX if name in said}
    if sizes.get("max-height") == 0:
        return True
    overflow = said.get("overflow", "") + said.get("overflow-x", "") + said.get("overflow-y", "")
    cut = "hidden" in overflow or "clip" in overflow
    return cut and any(size is not None and 0 <= size <= _TINY_PX for size in sizes.values())


def _is_elsewhere(said: Mapping[str, str]) -> bool:
    placed = said.get("position") in ("absolute", "fixed", "relative")
    for name in _OFFSETS:
        if name in said and (placed or "-" in name):
            offset = _pixels(said[name])
            if offset is not None and (offset <= -_FAR_PX or (placed and offset >= 10 * _FAR_PX)):
                return True
    clip = said.get("clip", "") if placed else ""
    if clip.startswith("rect(") and set(_NUMBER.findall(clip)) <= {"0", "1"}:
        return True
    path = said.get("clip-path", "")
    if path.startswith(("inset(50%", "inset(100%", "circle(0", "polygon(0 0)")):
        return True
    transform = said.get("transform", "")
    if "scale(0)" in transform or "scale(0," in transform or "scalex(0)" in transform:
        return True
    if "translate" in transform:
        moved = [_pixels(one[0]) for one in _LENGTH.finditer(transform)]
        return any(one is not None and one <= -_FAR_PX for one in moved)
    return False


def _letters(said: Mapping[str, str], around: float) -> float | None:
    """The size of letters in pixels, when it is said."""
    value = said.get("font-size")
    if value is None:
        before, line, _ = said.get("font", "").partition("/")
        words = before.split()
        sizes = words[-1:] if line else [one for one in words if _FONT_SIZE.fullmatch(one)]
        value = sizes[-1] if sizes else None
    if value is None:
        return None
    if value in _SIZES:
        return _SIZES[value]
    found = _LENGTH.match(value)
    if found is None:
        return None
    unit = found[2] or ""
    if unit in ("em", "%"):
        return float(found[1]) * around / (100.0 if unit == "%" else 1.0)
    return float(found[1]) * _PX[unit]


def _pixels(value: str) -> float | None:
    found = _LENGTH.match(value)
    if found is None:
        return None
    unit = found[2] or ""
    if unit == "%":
        # Of something unknown; only none of it, or far more than all, can be told.
        return float(found[1]) * 10.0
    return float(found[1]) * (_ROOT_PX if unit == "em" else _PX[unit])


def _number(value: str) -> float | None:
    found = _NUMBER.fullmatch(value)
    if found is None:
        return None
    return float(value[:-1]) / 100.0 if value.endswith("%") else float(value)


def _letter_color(value: str, inherited: Color | None) -> Color | None:
    if value == "transparent":
        return None
    found = _color(value)
    if found is None:
        return inherited
    color, alpha = found
    return None if alpha <= _FAINT else color


def _ground(value: str, present: Color | None) -> Color | None:
    if _IMAGE.search(value):
        return None
    found = _color(value)
    # Half of a colour over another one is told apart from neither: taken for what is more.
    return present if found is None or found[1] < 0.5 else found[0]


def _color(value: str) -> tuple[Color, float] | None:
    """The first colour in a value and its alpha; None without one."""
    if (found := _HEX.search(value)) is not None:
        return _hex_color(found[1])
    if (found := _FUNCTION.search(value)) is not None:
        return _function_color(found[1], found[2])
    for word in _WORD.findall(value):
        if word in _NAMED:
            return _NAMED[word], 1.0
    return None


def _hex_color(digits: str) -> tuple[Color, float] | None:
    if len(digits) in (3, 4):
        digits = "".join(digit * 2 for digit in digits)
    if len(digits) not in (6, 8):
        return None
    return _hex(digits), int(digits[6:8] or "ff", 16) / 255


def _function_color(kind: str, inside: str) -> tuple[Color, float] | None:
    parts = _NUMBER.findall(inside)
    if len(parts) < 3:
        return None
    alpha = _number(parts[3]) if len(parts) > 3 else 1.0
    if kind == "hsl":
        lightness = (_number(parts[2].rstrip("%") + "%") or 0.0) * 255
        grey = min(255, max(0, round(lightness)))
        # Of the hue only what is white or black matters here; other colours are told by lightness.
        return (grey, grey, grey), 1.0 if alpha is None else alpha
    levels = [
        min(255, max(0, round((_number(one) or 0.0) * (255 if one.endswith("%") else 1))))
        for one in parts[:3]
    ]
    return (levels[0], levels[1], levels[2]), 1.0 if alpha is None else alpha


def _legacy(value: str) -> Color | None:
    """A colour as attributes write it: with or without the number sign."""
    text = value.strip().lower()
    found = _color(text) or (_hex_color(text) if _SIX.fullmatch(text) else None)
    return None if found is None else found[0]

"""What rich prints on a terminal, as a picture."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import matplotlib
from PIL import Image, ImageDraw, ImageFont
from rich.console import Console, RenderableType
from rich.segment import Segment
from rich.terminal_theme import DIMMED_MONOKAI, TerminalTheme

_FONT = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSansMono.ttf"
_SIZE, _LINE, _MARGIN = 18, 25, 20
_THEME: TerminalTheme = DIMMED_MONOKAI


def picture_of(what: RenderableType, width: int) -> Image.Image:
    """Draw it on a terminal of so many columns."""
    console = Console(width=width, file=StringIO(), color_system="truecolor", force_terminal=True)
    lines = console.render_lines(what, pad=False)
    font = ImageFont.truetype(str(_FONT), _SIZE)
    column = font.getlength("m")
    size = (int(width * column) + 2 * _MARGIN, len(lines) * _LINE + 2 * _MARGIN)
    image = Image.new("RGB", size, tuple(_THEME.background_color))
    draw = ImageDraw.Draw(image)
    for number, line in enumerate(lines):
        x = 0
        for segment in line:
            draw.text((_MARGIN + x * column, _MARGIN + number * _LINE), segment.text, _colour(segment), font)
            x += segment.cell_length
    return image


def _colour(segment: Segment) -> tuple[int, ...]:
    colour = tuple(_THEME.foreground_color)
    style = segment.style
    if style and style.color:
        colour = tuple(style.color.get_truecolor(_THEME))
    if style and style.dim:
        colour = tuple((part + back) // 2 for part, back in zip(colour, _THEME.background_color, strict=True))
    return colour

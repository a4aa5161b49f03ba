"""From the text of an edition to the lines that are sung."""

from __future__ import annotations

import re

LACUNA = "□"
"""Stands for one character that the source has lost; the editions use it themselves."""

_BRACKETED = re.compile(r"([（(［\[〔【][^（(［\[〔【）)］\]〕】]*[）)］\]〕】])")
_COMPOSED = re.compile(r"<[^<>]{1,4}>|{[^{}]{1,4}}")  # <贝覃>: a character that the edition could only describe
_STRAY_BRACKETS = re.compile(r"[（()）［\[\]］〔〕【】{}<>︽﹀]")
_SPEECH_BEGINS = re.compile(r"(云|白|念)$")
_ROLES = {*"旦生净丑末外贴众合和", "老旦", "小旦", "小生", "小末", "副旦", "贴旦", "合前", "和同前", "合同前"}
_SENTENCE = re.compile(r"[^。！？]*[。！？]+[”’』」\"]*|[^。！？]+$")
_REPEATED_STOP = re.compile(r"([，、；：。！？])[。，]+")
_LOST_GLYPHS = re.compile(r"[\u0370-\u04ff\u2160-\u217f\u2500-\u257f\u3041-\u30fa\u30fc-\u312f\ufffd]|[a-zA-Z0-9òō]")


def sung_lines(text: str) -> list[str]:
    """Return the sung sentences of a ci or qu, one a line, without stage directions and spoken parts.

    A qu marks in brackets who acts: after a direction that ends in 云 ("says") people speak, after one that ends
    in 唱 ("sings"), or that names a singing role alone, they sing again.
    """
    sung = mend(_without_speech(text.replace("\n", "")))
    sung = _REPEATED_STOP.sub(r"\1", _STRAY_BRACKETS.sub("", sung))
    lines = (line.strip().lstrip("，、；：。！？") for line in _SENTENCE.findall(sung))
    return [line for line in lines if count_characters(line)]


def _without_speech(text: str) -> str:
    sung: list[str] = []
    singing = True
    for index, part in enumerate(_BRACKETED.split(text)):
        if index % 2 == 0:  # between two directions
            sung.append(part if singing else "")
            continue
        direction = part[1:-1].strip()
        if _SPEECH_BEGINS.search(direction):
            singing = False
        elif direction.endswith("唱") or direction in _ROLES:
            singing = True
    return "".join(sung)


def mend(text: str) -> str:
    """Put a lacuna where a rare character was described, or garbled into kana, bopomofo, Greek, Cyrillic or Latin."""
    return _LOST_GLYPHS.sub(LACUNA, _COMPOSED.sub(LACUNA, text))


def count_characters(text: str) -> int:
    """Count the Chinese characters, without punctuation and lacunae."""
    return sum(is_character(sign) for sign in text)


def is_character(sign: str) -> bool:
    """Tell whether the sign is a CJK ideograph: the basic block, extension A, or a supplementary plane."""
    return "\u3400" <= sign <= "\u9fff" or sign >= "\U00020000"

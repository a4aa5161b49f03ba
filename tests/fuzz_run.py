"""Throws damaged photos and messages at the decoders, in a process of its own.

    python fuzz_run.py '{"target": "photo" | "photo_by_pillow" | "request" | ..., "inputs": ..., "seed": ...}'
    python fuzz_run.py '{..., "guided": true, "folder": ...}'      with atheris, by coverage, instead of by chance

Inputs are made of good ones by changes that a seed decides. Each must be accepted or refused with a `RequestError`, and
in bounded time: a watchdog ends the process with its stack where one takes longer. It prints an account in JSON; what
breaks the rule is printed in hexadecimal.
"""

from __future__ import annotations

import faulthandler
import json
import resource
import struct
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from PIL import Image

from songlens_shared.codec import (
    decode_hits,
    decode_reply,
    decode_request,
    encode_hits,
    encode_reply,
    encode_request,
)
from songlens_shared.errors import BadImage, RequestError
from songlens_shared.messages import Hits, NeighbourImage, Personal, Reply, Request, Song, Via, error_reply
from songlens_workers.vision.decode import decode
from songlens_workers.vision.limits import ImageLimits
from songlens_workers.vision.preprocess import Preprocessing
from songlens_workers.vision.resize import by_pillow

LIMIT_S = 20
"""Of one input; by far more than any takes on a busy machine."""
WATCHED = 50
"""Inputs that the watchdog's time is for."""
SMALL = Preprocessing(
    resize=64, crop=56, interpolation="bilinear", mean=(127.5, 127.5, 127.5), std=(127.5, 127.5, 127.5)
)
LIMITS = ImageLimits(max_pixels=250_000)
EXTREMES = [b"\x00", b"\xff", b"\x7f", b"\x80", b"\xff\xff", b"\x00\x00", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff"]
EXTREMES += [b"\xdd\xff\xff\xff\xff", b"\xdf\x7f\xff\xff\xff", b"\xc6\xff\xff\xff\xff", b"\xcf" + b"\xff" * 8]

Target = Callable[[bytes], object]


def photos() -> list[bytes]:
    """Return a small photo in each format, and some variants of JPEG and PNG."""
    levels = np.random.default_rng(1).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    scene = Image.fromarray(levels).resize((40, 30))
    made = [("JPEG", {}), ("JPEG", {"progressive": True}), ("PNG", {}), ("WEBP", {}), ("GIF", {}), ("BMP", {})]
    made += [("TIFF", {}), ("TIFF", {"compression": "tiff_lzw"}), ("AVIF", {}), ("HEIF", {})]
    return [_encoded(scene, *how) for how in made] + [_encoded(scene.convert("P"), "PNG", {}), _oriented(scene)]


def _encoded(scene: Image.Image, format: str, options: dict[str, Any]) -> bytes:
    from pillow_heif import register_heif_opener

    register_heif_opener()
    buffer = BytesIO()
    scene.save(buffer, format, **options)
    return buffer.getvalue()


def _oriented(scene: Image.Image) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return _encoded(scene, "JPEG", {"exif": exif})


def messages() -> dict[str, list[bytes]]:
    """Return good messages of each kind."""
    images = (NeighbourImage(id="i1", distance=0.5, keywords=("雪", "夜")),) * 3
    song = Song(
        id="s1", title="雪", artist="某人", distance=0.1, score=0.9, via=Via(image="i1", keyword="雪", line="下雪")
    )
    full = Request(id="r1", client="app", image=b"photo", user="7", user_weight=0.5, trace="00-ab-cd-01")
    hits = {"id": "r1", "client": "app", "model": "v1", "images": images, "top_k": 10, "songs_per_image": 2}
    return {
        "request": [encode_request(full), encode_request(Request(id="r1", client="app", uri="s3://bucket/key"))],
        "hits": [encode_hits(Hits(**hits, submitted_ms=17 * 10**11, timings_ms={"queue": 1.5}, user="7"))],
        "reply": [
            encode_reply(Reply(id="r1", status="ok", model="v1", songs=(song,) * 3, images=images,
                               timings_ms={"total": 9.0}, personal=Personal(user_weight=0.4, known=True))),
            encode_reply(error_reply("r1", BadImage())),
        ],
    }  # fmt: skip


def _photo(data: bytes) -> None:
    assert decode(data, SMALL, LIMITS).shape == (SMALL.crop, SMALL.crop, 3)


def _photo_by_pillow(data: bytes) -> None:
    assert decode(data, SMALL, LIMITS, resize=by_pillow).shape == (SMALL.crop, SMALL.crop, 3)


def _planted(data: bytes) -> None:
    """A decoder with a mistake in it: a user that is no number breaks it."""
    int(decode_request(data).user or "0")


TARGETS: dict[str, Target] = {
    "photo": _photo,
    "photo_by_pillow": _photo_by_pillow,
    "request": decode_request,
    "hits": decode_hits,
    "reply": decode_reply,
    "planted": _planted,
}


def corpus(target: str) -> list[bytes]:
    """Return good inputs of a target."""
    return photos() if target.startswith("photo") else messages()["request" if target == "planted" else target]


def changed(good: Sequence[bytes], dice: Random) -> bytes:
    """Return one of the good inputs with one to four changes."""
    data = bytearray(dice.choice(good))
    for _ in range(dice.choice((1, 1, 1, 2, 3, 4))):
        _change(data, good, dice)
    return bytes(data)


def _change(data: bytearray, good: Sequence[bytes], dice: Random) -> None:
    # Headers are where decoders decide; half of all changes are there.
    at = dice.randrange(len(data) + 1) if dice.random() < 0.5 else dice.randrange(min(len(data), 64) + 1)
    size = dice.choice((1, 1, 2, 4, 8, 32))
    match dice.randrange(7):
        case 0:
            data[at : at + 1] = bytes([dice.randrange(256)])
        case 1:
            data[at : at + 1] = bytes([(data[at] if at < len(data) else 0) ^ 1 << dice.randrange(8)])
        case 2:
            del data[at : at + size]
        case 3:
            data[at:at] = dice.randbytes(size)
        case 4:
            extreme = dice.choice(EXTREMES)
            data[at : at + len(extreme)] = extreme
        case 5:
            data[at : at + 4] = struct.pack(
                dice.choice("<>") + "I", dice.choice((0, 1, 255, 65535, 1 << dice.randrange(32)))
            )
        case 6:
            other = dice.choice(good)
            start = dice.randrange(len(other))
            data[at:] = other[start:] if dice.random() < 0.5 else b""


class Account:
    """Tries inputs and counts what becomes of them."""

    def __init__(self, target: str) -> None:
        self._target = TARGETS[target]
        self._begun_mib = 0
        self.outcomes: Counter[str] = Counter()
        self.slowest_s = 0.0

    def warm_up(self, good: Sequence[bytes]) -> None:
        """Have the target import what it needs, uncounted, and note what that takes."""
        for data in good:
            self._target(data)
        self._begun_mib = _mib("VmRSS")

    def attempt(self, data: bytes) -> None:
        """Try one; anything but acceptance or a `RequestError` is printed and raised."""
        started_s = time.perf_counter()
        try:
            self._target(data)
            self.outcomes["accepted"] += 1
        except RequestError as error:
            self.outcomes[error.code] += 1
        except BaseException:
            print("breaks the rule: " + data.hex(), flush=True)
            raise
        self.slowest_s = max(self.slowest_s, time.perf_counter() - started_s)

    def show(self) -> None:
        """Print what is known, as JSON."""
        figures = {"inputs": self.outcomes.total(), "slowest_s": round(self.slowest_s, 3)}
        figures |= {"begun_mib": self._begun_mib, "peak_mib": _mib("VmHWM")}
        print(json.dumps(figures | {"outcomes": dict(self.outcomes)}), flush=True)


def _mib(field: str) -> int:
    """Return the memory that this process has (VmRSS), or the most that it ever had (VmHWM)."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().partition(f"{field}:")[2].split()[0]) // 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 2**20


def by_chance(account: Account, good: Sequence[bytes], inputs: int, dice: Random) -> None:
    """Try the good ones and so many changed ones."""
    account.warm_up(good)
    for data in good:
        account.attempt(data)
    assert account.outcomes["accepted"] == len(good)
    for number in range(inputs):
        if number % WATCHED == 0:
            faulthandler.dump_traceback_later(LIMIT_S, exit=True)
        account.attempt(changed(good, dice))
    faulthandler.cancel_dump_traceback_later()


def guided(account: Account, good: Sequence[bytes], inputs: int, seed: int, folder: Path) -> None:
    """Let atheris choose inputs by the code that they reach. Does not return."""
    import atheris

    for number, data in enumerate(good):
        (folder / str(number)).write_bytes(data)
    atheris.instrument_all()
    account.warm_up(good)

    def attempt(data: bytes) -> None:
        account.attempt(data)
        if account.outcomes.total() == inputs:
            account.show()

    options = [f"-runs={inputs}", f"-seed={seed}", f"-timeout={LIMIT_S}", "-max_len=4096", "-verbosity=0"]
    options.append(f"-artifact_prefix={folder}/")
    atheris.Setup([sys.argv[0], *options, str(folder)], attempt)
    atheris.Fuzz()


def main(given: dict[str, Any]) -> None:
    """Try so many inputs on one target."""
    account, good = Account(given["target"]), corpus(given["target"])
    if given.get("guided"):
        guided(account, good, given["inputs"], given["seed"], Path(given["folder"]))
    by_chance(account, good, given["inputs"], Random(given["seed"]))
    account.show()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))

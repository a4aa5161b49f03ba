"""Twenty labelled photographs to send as queries: real photos, which no catalogue holds.

They come from the validation set of ImageNet, in the data of a package for testing image classifiers. A title
says what the photo shows, in the words of a person who looked at it.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from songlens_training.open_data.archives import read_members
from songlens_training.open_data.packages import PACKAGES, fetch
from songlens_training.progress import Progress, silent

_FOLDER = "foolbox/data/"


@dataclass(frozen=True, kw_only=True)
class Photograph:
    """A photo of the package: its file, what it shows, and the keyword that names it, if one truly does."""

    file: str
    title: str
    keyword: str | None = None


PHOTOGRAPH_LIST = (
    Photograph(file="imagenet_00_243.jpg", title="A mastiff on a leash", keyword="犬"),
    Photograph(file="imagenet_01_559.jpg", title="Red deck chairs"),
    Photograph(file="imagenet_02_438.jpg", title="A beaker being filled"),
    Photograph(file="imagenet_03_990.jpg", title="Horse chestnuts on the tree"),
    Photograph(file="imagenet_04_949.jpg", title="Strawberries"),
    Photograph(file="imagenet_05_853.jpg", title="Thatched houses", keyword="屋"),
    Photograph(file="imagenet_06_609.jpg", title="An off-road car in the hills", keyword="车"),
    Photograph(file="imagenet_07_609.jpg", title="A blue car on rocks", keyword="车"),
    Photograph(file="imagenet_08_915.jpg", title="Yurts among firs", keyword="帐"),
    Photograph(file="imagenet_09_455.jpg", title="A bottle cap"),
    Photograph(file="imagenet_10_541.jpg", title="A drum", keyword="鼓"),
    Photograph(file="imagenet_11_630.jpg", title="A leather shoe", keyword="鞋"),
    Photograph(file="imagenet_12_741.jpg", title="Stained-glass windows", keyword="窗"),
    Photograph(file="imagenet_13_471.jpg", title="A cannon"),
    Photograph(file="imagenet_14_129.jpg", title="Spoonbills on a wire", keyword="鸟"),
    Photograph(file="imagenet_15_99.jpg", title="Geese on a meadow", keyword="鹅"),
    Photograph(file="imagenet_16_251.jpg", title="A Dalmatian sniffing the ground", keyword="犬"),
    Photograph(file="imagenet_17_22.jpg", title="A bald eagle in flight", keyword="鹰"),
    Photograph(file="imagenet_18_317.jpg", title="A treehopper on a leaf", keyword="虫"),
    Photograph(file="imagenet_19_305.jpg", title="A beetle", keyword="虫"),
)


def photographs(cache: Path, progress: Progress = silent) -> list[tuple[Path, str]]:
    """Return (JPEG file, title) of each photograph, fetching the package into `cache` first where needed.

    Raises `DataError` when the package can neither be found in the cache nor fetched.
    """
    archive = fetch(PACKAGES.photographs, cache, progress)
    folder = cache / "photographs"
    folder.mkdir(exist_ok=True)
    missing = {one.file for one in PHOTOGRAPH_LIST if not (folder / one.file).exists()}
    for name, content in read_photographs(archive, missing).items():
        _write_whole(folder / name, content)
    return [(folder / one.file, one.title) for one in PHOTOGRAPH_LIST]


def read_photographs(archive: Path, files: set[str]) -> dict[str, bytes]:
    """Return {file: JPEG bytes} of the named photographs. Raises `DataError` when the archive cannot be read."""
    wanted = {_FOLDER + file for file in files}
    return {member.removeprefix(_FOLDER): content for member, content in read_members(archive, wanted.__contains__)}


def _write_whole(path: Path, content: bytes) -> None:
    """Write the file so that another process sees all of it or nothing."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as file:
        file.write(content)
    os.chmod(file.name, 0o644)  # noqa: PTH101 - a temporary file is private, a cached photo is not
    Path(file.name).replace(path)

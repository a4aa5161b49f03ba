"""Small archives with the inner layout of the open-data packages."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from songlens_training.open_data.packages import Package, Packages
from songlens_training.open_data.photographs import PHOTOGRAPH_LIST

CI = [
    {"author": "晏殊", "rhythmic": "浣溪沙", "paragraphs": ["一曲新词酒一杯。", "去年天气旧亭台。"]},
    {"author": "晏殊", "rhythmic": "浣溪沙", "paragraphs": ["淡淡梳妆薄薄衣。", "天仙模样好容仪，明月照花。"]},
    {"author": "苏轼", "rhythmic": "水调歌头", "paragraphs": ["明月几时有，把酒问青天。", "不知天上宫阙。"]},
    {"author": "王炎2", "rhythmic": "点绛唇", "paragraphs": ["雪里行舟，山前对月花如雪。", "马蹄声切。"]},
    {"author": "苏轼", "rhythmic": "失调名", "paragraphs": ["高安更过几重山。"]},
]
RANKS = [
    {"author": "晏殊", "rhythmic": "浣溪沙", "baidu": 10, "so360": 20, "bing": 30, "bing_en": 40, "google": 900},
    {"author": "晏殊", "rhythmic": "浣溪沙", "baidu": 1, "so360": 0, "bing": 0, "bing_en": 0, "google": 0},
    {"author": "苏轼", "rhythmic": "水调歌头", "baidu": 0, "so360": 0, "bing": 0, "bing_en": 0, "google": 0},
]
QU = [
    {"author": "徐田臣《杀狗记》", "title": "红绣鞋", "paragraphs": ["(小生)明日办个筵席，把家私付与兄弟，饮酒赏月。"]},
    {"author": "关汉卿", "title": "尾・我是个蒸不烂、煮不熟，", "paragraphs": ["响当当一粒铜豌豆，恁子弟每。"]},
    {"author": "关汉卿", "title": "尾", "paragraphs": ["我是个蒸不烂、煮不熟，响当当一粒铜豌豆，恁子弟每。"]},
    {"author": "无名氏", "title": "天净沙", "paragraphs": ["□□□□□枯藤老树，小桥流水人家古道。"]},
]
EMOJI = [
    # code, label, tags, category
    ("1F315", "满月", ["月亮"], "Travel & Places"),
    ("1F316", "亏凸月", ["月亮"], "Travel & Places"),
    ("1F319", "弯月", ["月亮"], "Travel & Places"),
    ("1F338", "樱花", ["花"], "Animals & Nature"),
    ("1F37B", "干杯", ["酒", "啤酒"], "Food & Drink"),
    ("1F574", "西装革履的人", ["商务"], "People & Body"),
    ("1F311-200D-2642-FE0F", "男满月", ["月亮"], "Travel & Places"),
    ("1F1E8-1F1F3", "中国", ["花"], "Flags"),
]


def make_songs(path: Path) -> Path:
    """Write an archive like the poetry package."""
    return _tar(
        path,
        {
            "package/dist/songci/ci.song.0.json": CI,
            "package/dist/songci/ci.song.2019y.json": CI[2:3],
            "package/dist/songci/author.song.json": [{"name": "晏殊"}],
            "package/dist/rank/ci/ci.song.rank.0.json": RANKS,
            "package/dist/yuanqu/yuanqu.json": QU,
        },
    )


def make_packages(folder: Path) -> Packages:
    """Write an archive for each package into `folder` and return their pins, as if they had been fetched."""
    folder.mkdir(parents=True, exist_ok=True)
    index = [
        {
            "unified": code,
            "image": f"{code.lower()}.png",
            "has_img_google": True,
            "category": category,
            "sort_order": order,
        }
        for order, (code, _, _, category) in enumerate(EMOJI)
    ]
    names = [
        {"hexcode": code.replace("-FE0F", ""), "emoji": "?", "label": label, "tags": tags}
        for code, label, tags, _ in EMOJI
    ]
    pictures = {f"package/img/google/64/{row['image']}": drawing() for row in index}
    return Packages(
        poetry=_pin(make_songs(folder / "songs.tgz")),
        emoji_images=_pin(_tar(folder / "images.tgz", {"package/emoji.json": index, **pictures})),
        emoji_names=_pin(_tar(folder / "names.tgz", {"package/zh/data.json": names})),
        photographs=_pin(_photographs(folder / "photographs.whl")),
    )


def drawing() -> bytes:
    """Return a PNG of 64 x 64 with a red square on a transparent ground."""
    picture = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    picture.paste((255, 0, 0, 255), (16, 16, 48, 48))
    return _encode(picture, "PNG")


def _encode(picture: Image.Image, file_format: str) -> bytes:
    content = io.BytesIO()
    picture.save(content, file_format)
    return content.getvalue()


def _photographs(path: Path) -> Path:
    photo = _encode(Image.new("RGB", (32, 32), "green"), "JPEG")
    with zipfile.ZipFile(path, "w") as wheel:
        for one in PHOTOGRAPH_LIST:
            wheel.writestr(f"foolbox/data/{one.file}", photo)
    return path


def _pin(path: Path) -> Package:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Package(client="npm", name=path.stem, version="1.0.0", archive=path.name, sha256=digest)


def _tar(path: Path, members: Mapping[str, Any]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members.items():
            encoded = content if isinstance(content, bytes) else json.dumps(content).encode()
            member = tarfile.TarInfo(name)
            member.size = len(encoded)
            tar.addfile(member, io.BytesIO(encoded))
    return path

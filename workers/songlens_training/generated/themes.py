"""The themes of the generated catalogue: a keyword, a scene and an English name for each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from songlens_training.generated.canvas import Canvas
from songlens_training.generated.scenes import garden, heavens, shore, things, town, wild


@dataclass(frozen=True)
class Theme:
    """One theme; `keyword` is one jieba word (default dictionary, without HMM), `name` also names files."""

    keyword: str
    name: str
    scene: Callable[[Canvas], None]


THEMES: tuple[Theme, ...] = (
    Theme("雪花", "snow", wild.snow),
    Theme("大海", "sea", shore.sea),
    Theme("咖啡", "coffee", things.coffee),
    Theme("白云", "clouds", heavens.clouds),
    Theme("森林", "forest", wild.forest),
    Theme("月亮", "moon", heavens.moon),
    Theme("星空", "starry-sky", heavens.starry),
    Theme("沙漠", "desert", wild.desert),
    Theme("雪山", "mountain", wild.mountain),
    Theme("夕阳", "sunset", heavens.sunset),
    Theme("彩虹", "rainbow", heavens.rainbow),
    Theme("火车", "train", town.train),
    Theme("城市", "city", town.city),
    Theme("雨伞", "umbrella", things.umbrella),
    Theme("灯塔", "lighthouse", shore.lighthouse),
    Theme("热气球", "hot-air-balloon", town.balloon),
    Theme("蝴蝶", "butterfly", garden.butterfly),
    Theme("樱花", "cherry-blossom", garden.blossom),
    Theme("向日葵", "sunflower", garden.sunflower),
    Theme("帆船", "sailboat", shore.sailboat),
    Theme("草原", "grassland", wild.grassland),
    Theme("瀑布", "waterfall", wild.waterfall),
    Theme("篝火", "campfire", garden.campfire),
    Theme("路灯", "street-lamp", town.street_lamp),
    Theme("烟花", "fireworks", heavens.fireworks),
    Theme("钢琴", "piano", things.piano),
    Theme("自行车", "bicycle", town.bicycle),
    Theme("枫叶", "maple-leaf", garden.maple),
    Theme("小猫", "kitten", garden.cat),
    Theme("蜡烛", "candle", things.candle),
    Theme("灯笼", "lantern", things.lantern),
    Theme("竹林", "bamboo", wild.bamboo),
    Theme("风车", "windmill", town.windmill),
    Theme("吉他", "guitar", things.guitar),
    Theme("闪电", "lightning", heavens.lightning),
    Theme("玫瑰", "rose", garden.rose),
)

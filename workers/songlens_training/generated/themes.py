"""The themes of the generated catalogue: a keyword, a scene and an English name for each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from songlens_training.generated.canvas import Canvas
from songlens_training.generated.scenes import (
    animals,
    flowers,
    heavens,
    lights,
    shore,
    things,
    town,
    travel,
    wild,
    woods,
)


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
    Theme("森林", "forest", woods.forest),
    Theme("月亮", "moon", heavens.moon),
    Theme("星空", "starry-sky", heavens.starry),
    Theme("沙漠", "desert", wild.desert),
    Theme("雪山", "mountain", wild.mountain),
    Theme("夕阳", "sunset", heavens.sunset),
    Theme("彩虹", "rainbow", heavens.rainbow),
    Theme("火车", "train", travel.train),
    Theme("城市", "city", town.city),
    Theme("雨伞", "umbrella", things.umbrella),
    Theme("灯塔", "lighthouse", shore.lighthouse),
    Theme("热气球", "hot-air-balloon", travel.balloon),
    Theme("蝴蝶", "butterfly", animals.butterfly),
    Theme("樱花", "cherry-blossom", flowers.blossom),
    Theme("向日葵", "sunflower", flowers.sunflower),
    Theme("帆船", "sailboat", shore.sailboat),
    Theme("草原", "grassland", wild.grassland),
    Theme("瀑布", "waterfall", woods.waterfall),
    Theme("篝火", "campfire", lights.campfire),
    Theme("路灯", "street-lamp", lights.street_lamp),
    Theme("烟花", "fireworks", heavens.fireworks),
    Theme("钢琴", "piano", things.piano),
    Theme("自行车", "bicycle", travel.bicycle),
    Theme("枫叶", "maple-leaf", flowers.maple),
    Theme("小猫", "kitten", animals.cat),
    Theme("蜡烛", "candle", lights.candle),
    Theme("灯笼", "lantern", lights.lantern),
    Theme("竹林", "bamboo", woods.bamboo),
    Theme("风车", "windmill", town.windmill),
    Theme("吉他", "guitar", things.guitar),
    Theme("闪电", "lightning", heavens.lightning),
    Theme("玫瑰", "rose", flowers.rose),
)

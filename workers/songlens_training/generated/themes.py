"""The themes of the generated catalogue: a keyword, a scene and an English name for each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from songlens_training.generated.canvas import Canvas
from songlens_training.generated.scenes import (
    animals,
    buildings,
    camp,
    companions,
    flight,
    flowers,
    harvest,
    heavens,
    ice_and_fire,
    lights,
    plants,
    shore,
    still_water,
    swimmers,
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
    Theme("海豚", "dolphin", swimmers.dolphin),
    Theme("冰山", "iceberg", ice_and_fire.iceberg),
    Theme("火山", "volcano", ice_and_fire.volcano),
    Theme("湖泊", "lake", still_water.lake),
    Theme("小桥", "bridge", still_water.bridge),
    Theme("金鱼", "goldfish", swimmers.goldfish),
    Theme("燕子", "swallow", flight.swallow),
    Theme("骏马", "horse", companions.horse),
    Theme("小狗", "puppy", companions.puppy),
    Theme("荷花", "lotus", still_water.lotus),
    Theme("仙人掌", "cactus", plants.cactus),
    Theme("蘑菇", "mushroom", plants.mushroom),
    Theme("麦田", "wheat-field", harvest.wheat),
    Theme("椰树", "palm", harvest.palm),
    Theme("城堡", "castle", buildings.castle),
    Theme("教堂", "church", buildings.church),
    Theme("帐篷", "tent", camp.tent),
    Theme("飞机", "aeroplane", flight.aeroplane),
)

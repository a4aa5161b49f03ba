"""Songs for a photograph: publish photos to Songlens and get songs back.

from songlens import Client

with Client() as client:
    for song in client.recommend("beach.jpg").songs:
        print(song.title, song.artist)
"""

from songlens.aio import AsyncClient, AsyncHandle
from songlens.client import Client, Handle
from songlens.core import RequestOptions
from songlens.photo import Photo, PhotoUri
from songlens.recommendation import Recommendation
from songlens.replies import Received
from songlens_shared.errors import (
    BadImage,
    BadRequest,
    BrokerError,
    BrokerUnavailable,
    BrokerUnsuitable,
    Cancelled,
    ConfigError,
    DeadlineExceeded,
    ImageTooLarge,
    InternalError,
    NoModel,
    QueueFull,
    RequestError,
    SonglensError,
    UnknownRequest,
    UnsupportedVersion,
)
from songlens_shared.messages import NeighbourImage, Personal, Song, Via

__all__ = [
    "AsyncClient",
    "AsyncHandle",
    "BadImage",
    "BadRequest",
    "BrokerError",
    "BrokerUnavailable",
    "BrokerUnsuitable",
    "Cancelled",
    "Client",
    "ConfigError",
    "DeadlineExceeded",
    "Handle",
    "ImageTooLarge",
    "InternalError",
    "NeighbourImage",
    "NoModel",
    "Personal",
    "Photo",
    "PhotoUri",
    "QueueFull",
    "Received",
    "Recommendation",
    "RequestError",
    "RequestOptions",
    "Song",
    "SonglensError",
    "UnknownRequest",
    "UnsupportedVersion",
    "Via",
]

"""Songs for a photograph: publish photos to Songlens and get songs back.

from songlens import Client

with Client() as client:
    for song in client.recommend("beach.jpg").songs:
        print(song.title, song.artist)
"""

from songlens.aio import AsyncClient, AsyncHandle
from songlens.client import Client, Handle
from songlens.core import FeaturesOptions, RequestOptions
from songlens.features import PhotoFeatures
from songlens.photo import Photo, PhotoUri, StoredPhoto
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
    "FeaturesOptions",
    "Handle",
    "ImageTooLarge",
    "InternalError",
    "NeighbourImage",
    "NoModel",
    "Personal",
    "Photo",
    "PhotoFeatures",
    "PhotoUri",
    "QueueFull",
    "Received",
    "Recommendation",
    "RequestError",
    "RequestOptions",
    "Song",
    "SonglensError",
    "StoredPhoto",
    "UnknownRequest",
    "UnsupportedVersion",
    "Via",
]

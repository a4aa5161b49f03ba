"""What goes wrong where features are computed by jobs.

DataError
├── ExtractionFailed      the build: some shards have ended without all of their features
└── ShardFailed           a job
    ├── NotShared         images or features lie where this job worker cannot reach them
    ├── NotGiven          the vision workers refuse to give these features
    └── TooManyLeftOut    most images of a shard fail by something that is not theirs
SonglensError
└── LeftToJobs            somebody has interrupted the build, and the jobs go on
"""

from __future__ import annotations

from songlens_shared.errors import DataError, SonglensError


class ExtractionFailed(DataError):
    """Some features could not be computed."""


class ShardFailed(DataError):
    """The features of a shard cannot be computed."""

    hopeless = True
    """Trying the same again must end the same."""


class NotShared(ShardFailed):
    """Images or features lie where this job worker cannot reach them."""


class NotGiven(ShardFailed):
    """The vision workers refuse to give these features."""


class TooManyLeftOut(ShardFailed):
    """Most images of a shard fail by something that is not theirs."""


class LeftToJobs(SonglensError):
    """The jobs go on without the build."""

    exit_status = 130

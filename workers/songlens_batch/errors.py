"""What goes wrong with a batch as a whole; what goes wrong with one photo is a row.

DataError
└── BatchError          the batch cannot go on as it is
    ├── UnknownBatch    there is no such batch
    ├── OutputTaken     the folder holds something else
    ├── OutputUnusable  the folder cannot be read or written
    │   └── NoRoom      there is no space left
    ├── NothingPlanned  the photos have not been planned, or cannot be
    ├── TooManyErrors   more of a shard's photos failed than is allowed
    ├── ModelChanged    another model version is live than the one that the batch began with
    ├── NotServing      the vision and song workers do not answer
    └── BatchCancelled  somebody cancelled it
"""

from __future__ import annotations

from songlens_shared.errors import DataError


class BatchError(DataError):
    """The batch cannot go on as it is."""

    hopeless = True
    """Whether trying the same again must end the same."""


class UnknownBatch(BatchError):
    """There is no such batch."""


class OutputTaken(BatchError):
    """The output folder holds something else."""


class OutputUnusable(BatchError):
    """The output folder cannot be read or written."""

    hopeless = False


class NoRoom(OutputUnusable):
    """There is no space left."""

    hopeless = True


class NothingPlanned(BatchError):
    """The photos have not been planned, or cannot be."""


class TooManyErrors(BatchError):
    """More of a shard's photos failed than is allowed."""


class ModelChanged(BatchError):
    """Another model version is live than the one that the batch began with."""


class NotServing(BatchError):
    """The vision and song workers do not answer."""

    hopeless = False


class BatchCancelled(BatchError):
    """Somebody cancelled the batch."""

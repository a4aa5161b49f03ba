"""Every error that Songlens raises on purpose.

    SonglensError
    ├── RequestError            one request was refused or failed; travels in replies as {code, message}
    │   ├── BadRequest          bad_request          the message is not a valid request
    │   ├── UnsupportedVersion  unsupported_version  another protocol version
    │   ├── BadImage            bad_image            the bytes are not a photo that can be decoded
    │   ├── ImageTooLarge       image_too_large      more bytes or pixels than the published limits
    │   ├── QueueFull           queue_full           the lane is at its depth or byte limit
    │   ├── DeadlineExceeded    deadline_exceeded    the time allowed ran out
    │   ├── Cancelled           cancelled            somebody took the request back before it was answered
    │   ├── NoModel             no_model             no model version is published or loaded
    │   └── InternalError       internal             a fault of ours; the request became a dead letter
    ├── UnknownRequest          no reply is kept under this request id
    ├── UnknownLetter           there is no such dead letter
    ├── BrokerError             Redis or Valkey
    │   ├── BrokerUnavailable   cannot be reached, or refuses us
    │   └── BrokerUnsuitable    reached, but too old or lacking a needed ability
    ├── ModelError              a model version on disk or in Redis
    │   ├── ModelNotFound       no such version
    │   ├── ModelDamaged        a file is missing, cut short or does not match its checksum
    │   ├── ModelMismatch       the worker's backbone, weights or precision are not the model's
    │   ├── WeightsUnavailable  pretrained weights could not be downloaded
    │   └── WeightsDamaged      a weights file does not hold what its name says
    ├── DataError               songs, images or keywords that cannot make a catalogue
    └── ConfigError             settings that contradict each other or name nothing

Each class carries the exit status that the `songlens` command ends with.
"""

from __future__ import annotations

from typing import ClassVar


class SonglensError(Exception):
    """Something went wrong in Songlens."""

    exit_status: ClassVar[int] = 1

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message if message is not None else type(self).__doc__)

    @property
    def message(self) -> str:
        """The sentence a person can act on."""
        return str(self.args[0])


class RequestError(SonglensError):
    """The request failed."""

    code: ClassVar[str]


class BadRequest(RequestError):
    """The message is not a valid request."""

    code = "bad_request"


class UnsupportedVersion(RequestError):
    """The message has a protocol version that this side does not speak."""

    code = "unsupported_version"


class BadImage(RequestError):
    """The bytes are not a photo that can be decoded."""

    code = "bad_image"


class ImageTooLarge(RequestError):
    """The photo has more bytes or pixels than the published limits."""

    code = "image_too_large"


class QueueFull(RequestError):
    """The lane is full; try again later."""

    code = "queue_full"

    def __init__(self, message: str | None = None, *, retry_after_ms: int = 1000) -> None:
        super().__init__(message)
        self.retry_after_ms = retry_after_ms


class DeadlineExceeded(RequestError):
    """The time allowed for the request ran out before it was answered."""

    code = "deadline_exceeded"


class Cancelled(RequestError):
    """The request was taken back before it was answered."""

    code = "cancelled"


class NoModel(RequestError):
    """No model version is published; run `songlens model build` and `songlens model publish`."""

    code = "no_model"


class InternalError(RequestError):
    """A fault inside Songlens; the request was kept as a dead letter."""

    code = "internal"


REQUEST_ERRORS: dict[str, type[RequestError]] = {
    error.code: error
    for error in (
        BadRequest,
        UnsupportedVersion,
        BadImage,
        ImageTooLarge,
        QueueFull,
        DeadlineExceeded,
        Cancelled,
        NoModel,
        InternalError,
    )
}


def request_error(code: str, message: str) -> RequestError:
    """Return the exception for an error reply; a code from a newer protocol becomes `InternalError`."""
    return REQUEST_ERRORS.get(code, InternalError)(message)


class UnknownRequest(SonglensError):
    """No request with this id is known, or its reply has expired."""


class UnknownLetter(SonglensError):
    """There is no such dead letter."""


class BrokerError(SonglensError):
    """Redis or Valkey cannot be used."""

    exit_status = 3


class BrokerUnavailable(BrokerError):
    """Redis cannot be reached."""


class BrokerUnsuitable(BrokerError):
    """The Redis server lacks an ability that Songlens needs (Redis 7.0 or Valkey 7.2, or newer)."""


class ModelError(SonglensError):
    """The model version cannot be used."""

    exit_status = 4


class ModelNotFound(ModelError):
    """There is no such model version."""


class ModelDamaged(ModelError):
    """A file of the model version is missing or does not match its checksum."""


class ModelMismatch(ModelError):
    """The worker's backbone does not match the model version."""


class WeightsUnavailable(ModelError):
    """The pretrained weights could not be downloaded; give a local file with `--weights FILE`."""


class WeightsDamaged(ModelError):
    """The weights file does not hold the backbone's weights."""


class DataError(SonglensError):
    """The songs or images cannot make a catalogue."""

    exit_status = 5


class ConfigError(SonglensError):
    """The settings contradict each other or name nothing."""

    exit_status = 2

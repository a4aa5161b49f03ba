"""The vision workers that are to give the features: do they answer, and with the right backbone?"""

from __future__ import annotations

from songlens.client import Client
from songlens_batch.errors import NotServing
from songlens_shared.errors import BadRequest, DeadlineExceeded, NoModel, RequestError
from songlens_training.distributed.errors import NotGiven
from songlens_workers.models.manifest import BackboneSpec

ANSWER_S = 60.0
"""How long an answer is waited for: a worker that has just been started loads its weights first."""

_NO_PHOTO = b"which backbone do you have?"


def advice(spec: BackboneSpec) -> str:
    """Return what starts vision workers of a backbone, as a sentence."""
    precision = "" if spec.precision == "fp32" else f" --set precision={spec.precision}"
    return (
        f"Start vision workers of this backbone, `songlens worker vision --backbone {spec.name}{precision}`, then the "
        "same build again."
    )


def not_given(message: str, spec: BackboneSpec) -> NotGiven:
    """Return the error of vision workers that refuse to give features."""
    return NotGiven(f"the vision workers refuse: {message} This build wants features of {spec.fingerprint}.")


def check_vision_workers(url: str, partitions: int, spec: BackboneSpec, *, answer_s: float = ANSWER_S) -> None:
    """Ask for the feature of what is no photo: who has the backbone says that it is none.

    Raises `NotServing` where nobody answers or none has a backbone, and `NotGiven` for another backbone.
    """
    with Client(url, partitions=partitions) as client:
        try:
            client.features(_NO_PHOTO, backbone=spec.fingerprint, timeout_s=answer_s)
        except BadRequest as error:
            raise not_given(error.message, spec) from None
        except (NoModel, DeadlineExceeded) as error:
            raise NotServing(f"no vision worker gives features ({error.message.rstrip('.')}). {advice(spec)}") from None
        except RequestError:
            return

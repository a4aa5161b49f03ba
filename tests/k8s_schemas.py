"""JSON schemas of the custom resources that ops/k8s uses: the part that it uses, and no field besides.

Written after the CRDs of KEDA 2.20 (config/crd/bases) and of the Prometheus operator 0.93
(example/prometheus-operator-crd), and, for what a trigger may say, KEDA's list of each scaler's parameters
(schema/generated/scalers-schema.json). The API server drops unknown fields of such objects without a word, and KEDA
ignores unknown metadata: a slip of the pen would go unseen.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

_DURATION = {"type": "string", "pattern": r"^([0-9]+(ms|[smhdwy]))+$"}
_COUNT = {"type": "string", "pattern": "^[0-9]+$"}
_TEXT = {"type": "string", "minLength": 1}
_WHOLE = {"type": "integer", "minimum": 0}
_WORDS = {"type": "object", "additionalProperties": {"type": "string"}}


def _closed(required: tuple[str, ...] = (), **properties: Schema) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items, "minItems": 1}


def _resource(api: str, kind: str, spec: Schema) -> Schema:
    return _closed(
        ("apiVersion", "kind", "metadata", "spec"),
        apiVersion={"const": api},
        kind={"const": kind},
        metadata=_closed(("name",), name=_TEXT, namespace=_TEXT, labels=_WORDS, annotations=_WORDS),
        spec=spec,
    )


def _trigger(kind: str, metadata: Schema) -> Schema:
    return _closed(
        ("type", "metadata", "authenticationRef"),
        type={"const": kind},
        metadata=metadata,
        authenticationRef=_closed(("name",), name=_TEXT, kind={"enum": ["TriggerAuthentication"]}),
    )


_BY_LAG = _closed(
    ("stream", "consumerGroup", "lagCount", "activationLagCount"),
    stream=_TEXT,
    consumerGroup=_TEXT,
    lagCount=_COUNT,
    activationLagCount=_COUNT,
)
_BY_LENGTH = _closed(
    ("stream", "streamLength"), stream=_TEXT, streamLength=_COUNT
)  # with a group it would mean pending
_BY_LIST = _closed(
    ("listName", "listLength", "activationListLength"),
    listName=_TEXT,
    listLength=_COUNT,
    activationListLength=_COUNT,
)
_SCALING = _closed(
    ("policies",),
    stabilizationWindowSeconds={"type": "integer", "minimum": 0, "maximum": 3600},
    policies=_list(
        _closed(
            ("type", "value", "periodSeconds"),
            type={"enum": ["Pods", "Percent"]},
            value={"type": "integer", "minimum": 1},
            periodSeconds={"type": "integer", "minimum": 1, "maximum": 1800},
        )
    ),
)

SCALED_OBJECT = _resource(
    "keda.sh/v1alpha1",
    "ScaledObject",
    _closed(
        ("scaleTargetRef", "triggers"),
        scaleTargetRef=_closed(("name",), name=_TEXT, kind=_TEXT, apiVersion=_TEXT),
        pollingInterval={"type": "integer", "minimum": 1},
        cooldownPeriod=_WHOLE,
        minReplicaCount=_WHOLE,
        maxReplicaCount={"type": "integer", "minimum": 1},
        fallback=_closed(
            ("failureThreshold", "replicas"),
            failureThreshold=_WHOLE,
            replicas=_WHOLE,
            behavior={"enum": ["static", "currentReplicas", "currentReplicasIfHigher", "currentReplicasIfLower"]},
        ),
        advanced=_closed(horizontalPodAutoscalerConfig=_closed(behavior=_closed(scaleUp=_SCALING, scaleDown=_SCALING))),
        triggers=_list(
            {
                "oneOf": [
                    *(
                        _trigger(kind, metadata)
                        for kind in ("redis-streams", "redis-cluster-streams")
                        for metadata in (_BY_LAG, _BY_LENGTH)
                    ),
                    _trigger("redis", _BY_LIST),
                ]
            }
        ),
    ),
)

TRIGGER_AUTHENTICATION = _resource(
    "keda.sh/v1alpha1",
    "TriggerAuthentication",
    _closed(
        ("secretTargetRef",),
        secretTargetRef=_list(
            _closed(
                ("parameter", "name", "key"),
                parameter={"enum": ["address", "username", "password", "tls", "ca"]},
                name=_TEXT,
                key=_TEXT,
            )
        ),
    ),
)

_EXPRESSION = _closed(("key", "operator"), key=_TEXT, operator={"enum": ["In"]}, values=_list(_TEXT))

POD_MONITOR = _resource(
    "monitoring.coreos.com/v1",
    "PodMonitor",
    _closed(
        ("selector", "podMetricsEndpoints"),
        selector=_closed(matchLabels=_WORDS, matchExpressions=_list(_EXPRESSION)),
        podMetricsEndpoints=_list(
            _closed(
                ("port",),
                port=_TEXT,
                path=_TEXT,
                interval=_DURATION,
                relabelings=_list(_closed(sourceLabels=_list(_TEXT), targetLabel=_TEXT, replacement=_TEXT)),
            )
        ),
    ),
)

_RULE = {
    "oneOf": [
        _closed(("record", "expr"), record=_TEXT, expr=_TEXT),
        _closed(("alert", "expr"), alert=_TEXT, expr=_TEXT, labels=_WORDS, annotations=_WORDS, **{"for": _DURATION}),
    ]
}

PROMETHEUS_RULE = _resource(
    "monitoring.coreos.com/v1",
    "PrometheusRule",
    _closed(("groups",), groups=_list(_closed(("name", "rules"), name=_TEXT, interval=_DURATION, rules=_list(_RULE)))),
)

SCHEMAS: dict[str, Schema] = {
    "ScaledObject": SCALED_OBJECT,
    "TriggerAuthentication": TRIGGER_AUTHENTICATION,
    "PodMonitor": POD_MONITOR,
    "PrometheusRule": PROMETHEUS_RULE,
}

"""Custom resources' shapes, as far as they are used here: a field that their definitions don't have is refused.

Of the Prometheus operator's API reference (monitoring.coreos.com/v1), the Gateway API's (gateway.networking.k8s.io/v1,
standard channel), the External Secrets operator's (external-secrets.io/v1) and Envoy Gateway's
(gateway.envoyproxy.io/v1alpha1).
"""

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

Word = Annotated[str, Field(min_length=1)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$")]
HostName = Annotated[str, Field(pattern=r"^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")]
Port = Annotated[int, Field(ge=1, le=65_535)]
PrometheusTime = Annotated[
    str, Field(pattern=r"^(0|(\d+y)?(\d+w)?(\d+d)?(\d+h)?(\d+m)?(\d+s)?(\d+ms)?)$", min_length=1)
]
GoTime = Annotated[str, Field(pattern=r"^(\d+(\.\d+)?(ns|us|ms|s|m|h))+$")]
RouteTime = Annotated[str, Field(pattern=r"^(\d{1,5}(h|m|s|ms)){1,4}$")]  # GEP-2257
LabelName = Annotated[str, Field(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$")]
MetricName = Annotated[str, Field(pattern=r"^[a-zA-Z_:][a-zA-Z0-9_:]*$")]


class Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, strict=True)


class Metadata(Shape):
    name: Name
    namespace: Name
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class Object(Shape):
    api_version: str
    kind: str
    metadata: Metadata


class Selector(Shape):
    match_labels: dict[str, str]


class Endpoint(Shape):
    port: Word
    path: Annotated[str, Field(pattern="^/")]
    interval: PrometheusTime
    scrape_timeout: PrometheusTime


class ServiceMonitorSpec(Shape):
    job_label: str = ""
    selector: Selector
    endpoints: Annotated[list[Endpoint], Field(min_length=1)]


class ServiceMonitor(Object):
    api_version: Literal["monitoring.coreos.com/v1"]
    kind: Literal["ServiceMonitor"]
    spec: ServiceMonitorSpec


class Rule(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    record: MetricName | None = None
    alert: Word | None = None
    expr: Word
    for_: PrometheusTime | None = Field(default=None, alias="for")
    keep_firing_for: PrometheusTime | None = None
    labels: dict[LabelName, str] = {}
    annotations: dict[LabelName, str] = {}

    @model_validator(mode="after")
    def _one_of_both(self) -> "Rule":
        if (self.record is None) == (self.alert is None):
            raise ValueError("a rule records or alerts")
        if self.record and (self.for_ or self.keep_firing_for or self.annotations):
            raise ValueError("only an alert has a time or annotations")
        return self


class Group(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    name: Word
    interval: PrometheusTime | None = None
    rules: list[Rule]


class PrometheusRuleSpec(Shape):
    groups: list[Group]


class PrometheusRule(Object):
    api_version: Literal["monitoring.coreos.com/v1"]
    kind: Literal["PrometheusRule"]
    spec: PrometheusRuleSpec


class CertificateRef(Shape):
    name: Name


class Tls(Shape):
    mode: Literal["Terminate", "Passthrough"]
    certificate_refs: list[CertificateRef]


class Namespaces(Shape):
    from_: Literal["All", "Same", "Selector"] = Field(alias="from")


class AllowedRoutes(Shape):
    namespaces: Namespaces


class Listener(Shape):
    name: Name
    protocol: Literal["HTTP", "HTTPS", "TLS", "TCP", "UDP"]
    port: Port
    hostname: HostName
    tls: Tls
    allowed_routes: AllowedRoutes


class GatewaySpec(Shape):
    gateway_class_name: Name
    listeners: Annotated[list[Listener], Field(min_length=1, max_length=64)]


class Gateway(Object):
    api_version: Literal["gateway.networking.k8s.io/v1"]
    kind: Literal["Gateway"]
    spec: GatewaySpec


class ParentRef(Shape):
    name: Name
    section_name: Name


class Path(Shape):
    type: Literal["Exact", "PathPrefix", "RegularExpression"]
    value: Annotated[str, Field(pattern="^/")]


class Match(Shape):
    path: Path


class BackendRef(Shape):
    name: Name
    port: Port


class Timeouts(Shape):
    request: RouteTime
    backend_request: RouteTime


class RouteRule(Shape):
    matches: list[Match]
    backend_refs: list[BackendRef]
    timeouts: Timeouts


class HttpRouteSpec(Shape):
    parent_refs: list[ParentRef]
    hostnames: list[HostName]
    rules: Annotated[list[RouteRule], Field(min_length=1, max_length=16)]


class HttpRoute(Object):
    api_version: Literal["gateway.networking.k8s.io/v1"]
    kind: Literal["HTTPRoute"]
    spec: HttpRouteSpec


class StoreRef(Shape):
    kind: Literal["SecretStore", "ClusterSecretStore"]
    name: Name


class Target(Shape):
    name: Name
    creation_policy: Literal["Owner", "Orphan", "Merge", "None"]


class RemoteRef(Shape):
    key: Word
    property: str = ""


class Entry(Shape):
    secret_key: Annotated[str, Field(pattern=r"^[-._a-zA-Z0-9]{1,253}$")]
    remote_ref: RemoteRef


class ExternalSecretSpec(Shape):
    refresh_interval: GoTime
    secret_store_ref: StoreRef
    target: Target
    data: list[Entry]


class ExternalSecret(Object):
    api_version: Literal["external-secrets.io/v1"]
    kind: Literal["ExternalSecret"]
    spec: ExternalSecretSpec


class PolicyTarget(Shape):
    group: Literal["gateway.networking.k8s.io"]
    kind: Literal["Gateway", "HTTPRoute"]
    name: Name


Limit = Annotated[int, Field(ge=0, le=4_294_967_295)]


class CircuitBreaker(Shape):
    max_connections: Limit
    max_parallel_requests: Limit
    max_pending_requests: Limit


class BackendTrafficPolicySpec(Shape):
    target_refs: Annotated[list[PolicyTarget], Field(min_length=1)]
    circuit_breaker: CircuitBreaker


class BackendTrafficPolicy(Object):
    api_version: Literal["gateway.envoyproxy.io/v1alpha1"]
    kind: Literal["BackendTrafficPolicy"]
    spec: BackendTrafficPolicySpec


class ClientHttpTimeout(Shape):
    stream_idle_timeout: RouteTime


class ClientTimeout(Shape):
    http: ClientHttpTimeout


class EarlyHeaders(Shape):
    remove: list[Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$")]]


class HeaderSettings(Shape):
    early_request_headers: EarlyHeaders


class ClientTrafficPolicySpec(Shape):
    target_refs: Annotated[list[PolicyTarget], Field(min_length=1)]
    timeout: ClientTimeout
    headers: HeaderSettings


class ClientTrafficPolicy(Object):
    api_version: Literal["gateway.envoyproxy.io/v1alpha1"]
    kind: Literal["ClientTrafficPolicy"]
    spec: ClientTrafficPolicySpec


SHAPES: Final[dict[str, type[Object]]] = {
    "ServiceMonitor": ServiceMonitor,
    "PrometheusRule": PrometheusRule,
    "Gateway": Gateway,
    "HTTPRoute": HttpRoute,
    "ExternalSecret": ExternalSecret,
    "BackendTrafficPolicy": BackendTrafficPolicy,
    "ClientTrafficPolicy": ClientTrafficPolicy,
}


def is_custom(thing: dict[str, Any]) -> bool:
    """Whether an object is of an API that Kubernetes does not come with."""
    group, of_a_group, _ = thing["apiVersion"].partition("/")
    own = "." not in group or (group.endswith(".k8s.io") and group != "gateway.networking.k8s.io")
    return bool(of_a_group) and not own

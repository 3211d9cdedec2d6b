"""Prometheus' own parsers, reading the metrics of `alula serve` in both formats."""

import sys
import time
import urllib.request

from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client import parser as text

URL, WORKERS = sys.argv[1], int(sys.argv[2])
OPEN_METRICS = "application/openmetrics-text; version=1.0.0"
# As Prometheus asks: OpenMetrics, and the text format where there is none.
PROMETHEUS = f"{OPEN_METRICS};q=0.6,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"


def scrape(accept):
    request = urllib.request.Request(f"{URL}/metrics", headers={"accept": accept})
    with urllib.request.urlopen(request) as response:
        assert "Accept" in response.headers.get_all("vary"), response.headers
        return response.headers["content-type"], response.read().decode()


def shape(families):
    """All but the values, which are others at the next look."""
    return {
        (family.name, family.type, family.documentation): sorted(
            (sample.name, sorted(sample.labels.items())) for sample in family.samples
        )
        for family in families
    }


def workers(families):
    samples = (sample for family in families for sample in family.samples)
    return {sample.labels.get("worker") for sample in samples}


def calls(families):
    named = (family for family in families if family.name == "alula_llm_calls")
    return sum(sample.value for family in named for sample in family.samples)


def read_both():
    kind, classic = scrape("text/plain;version=0.0.4")
    assert kind == "text/plain; version=0.0.4; charset=utf-8", kind
    assert "# EOF" not in classic
    kind, modern = scrape(PROMETHEUS)
    assert kind == f"{OPEN_METRICS}; charset=utf-8", kind
    return (
        list(text.text_string_to_metric_families(classic)),
        list(openmetrics.text_string_to_metric_families(modern)),
    )


kind, _ = scrape("*/*")
assert kind.startswith("text/plain"), kind
deadline = time.monotonic() + 60
while True:
    classic, modern = read_both()
    # The first look makes series, such as those of the route of the metrics; and what another
    # worker counts is seen a moment later.
    is_settled = shape(classic) == shape(modern) and len(workers(classic)) == WORKERS
    if is_settled and calls(modern) == 1:
        break
    assert time.monotonic() < deadline, (shape(classic), shape(modern), calls(modern))
    time.sleep(0.05)
kinds = {family.type for family in modern}
assert kinds == {"counter", "gauge", "histogram"}, kinds
for family in modern:
    assert family.samples or family.type != "histogram", family
print("read")

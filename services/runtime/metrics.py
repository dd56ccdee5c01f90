"""Prometheus metrics. Labels are method and job names and codes: never ids, never persons."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server


class Metrics:
    """The metrics of one process, on a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.calls = Counter("kat_rpc_calls", "RPCs answered.", ["method", "code"], registry=self.registry)
        self.seconds = Histogram("kat_rpc_seconds", "Time to answer an RPC.", ["method"], registry=self.registry)
        self.jobs = Counter("kat_job_runs", "Runs of periodic jobs.", ["job", "result"], registry=self.registry)
        self.backlog = Gauge("kat_backlog", "Work that waits, by kind.", ["kind"], registry=self.registry)

    def serve(self, address: str) -> None:
        """Serve the metrics by HTTP on "host:port"; nothing where the address is empty."""
        if address:
            host, _, port = address.rpartition(":")
            start_http_server(int(port), addr=host, registry=self.registry)

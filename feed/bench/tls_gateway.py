"""A gateway over TLS for the benchmark: `feed gateway` with a certificate and the benchmark's settings.

python -m feed.bench.tls_gateway certificate.pem redis://127.0.0.1:6379/0
"""

import asyncio
import ssl
import sys

from feed.admin import Admin
from feed.gateway.server import Gateway
from feed.lifecycle import raise_open_files, report_faults, run
from feed.log import configure
from feed.settings import Drain, Redis, Values
from feed.settings import Gateway as Knobs


async def main(stop: asyncio.Event) -> int:
    certificate, redis_url = sys.argv[1:]
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    values = Values(
        redis=Redis(url=redis_url),
        gateway=Knobs(port=0, admin_port=0, feeds=("sim",), heartbeat_s=3_600),
        drain=Drain(delay_s=0, window_s=0),
    )
    server = Gateway(values, tls=context)
    async with Admin("127.0.0.1", 0, server.not_ready) as admin:
        try:
            await server.start()
            print(f"gateway: http://127.0.0.1:{server.port} · admin http://127.0.0.1:{admin.port}", flush=True)
            await server.run(stop)
        finally:
            await server.close()
    return 0


if __name__ == "__main__":
    configure("warning", "json")
    report_faults(debug=False)
    raise_open_files()
    raise SystemExit(run(main))

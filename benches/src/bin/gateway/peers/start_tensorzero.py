"""TensorZero's HTTP gateway, which its Python package carries.

It prints its address when it is ready, and ends when its standard input is closed.
"""

import os
import sys
from urllib.parse import urlsplit

# Only this name of the package starts the gateway as a server.
from tensorzero.tensorzero import _start_http_gateway

gateway = _start_http_gateway(
    config_file=sys.argv[1],
    clickhouse_url=None,
    postgres_url=None,
    valkey_url=None,
    async_setup=False,
)
print(urlsplit(gateway.base_url).netloc, flush=True)
sys.stdin.read()
os._exit(0)

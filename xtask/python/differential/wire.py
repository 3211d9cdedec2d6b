"""Raw HTTP/1.1: what is sent is what a case says, byte for byte."""

import contextlib
import socket
from dataclasses import dataclass, field

SECONDS_MAX = 10


@dataclass
class Answer:
    status: int
    # Names in lower case, in the order of arrival.
    headers: list[tuple[str, str]]
    body: bytes = field(repr=False)

    def header(self, name: str) -> str | None:
        values = [value for found, value in self.headers if found == name]
        return ", ".join(values) if values else None


def send(port: int, request: bytes) -> Answer:
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS_MAX) as connection:
        received = bytearray()
        # A server that refuses a body may answer and leave before it has read all of it.
        with contextlib.suppress(ConnectionError):
            connection.sendall(request)
        with contextlib.suppress(ConnectionError):
            while data := connection.recv(65536):
                received += data
    return parse(bytes(received))


def parse(received: bytes) -> Answer:
    head, separator, rest = received.partition(b"\r\n\r\n")
    if not separator:
        raise ValueError(f"no answer, only {received!r}")
    status, *lines = head.decode("latin-1").split("\r\n")
    pairs = [line.partition(":") for line in lines]
    headers = [(name.lower(), value.strip()) for name, _, value in pairs]
    answer = Answer(int(status.split(" ")[1]), headers, rest)
    if answer.header("transfer-encoding") == "chunked":
        answer.body = b"".join(chunks(rest))
    return answer


def chunks(data: bytes):
    while True:
        size, _, data = data.partition(b"\r\n")
        if not size:
            raise ValueError("the body broke off")
        length = int(size, 16)
        if length == 0:
            return
        yield data[:length]
        data = data[length + 2 :]


def request(method: str, target: str, headers: list[tuple[str, str]], body: bytes | None) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", "host: test", "connection: close"]
    lines += [f"{name}: {value}" for name, value in headers]
    if body is not None and not any(name.lower() == "transfer-encoding" for name, _ in headers):
        lines.append(f"content-length: {len(body)}")
    return "\r\n".join(lines).encode("utf-8") + b"\r\n\r\n" + (body or b"")

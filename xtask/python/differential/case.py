"""What a case is."""

import json
from dataclasses import dataclass, field
from typing import Any

Pairs = list[tuple[str, str]]


@dataclass
class Case:
    """One request; unless `differs` names a rule, both servers answer it alike."""

    name: str
    method: str
    target: str
    headers: Pairs = field(default_factory=list)
    body: bytes | None = None
    differs: str | None = None


def get(target: str, differs: str | None = None, headers: dict | Pairs | None = None) -> Case:
    return call("GET", target, differs=differs, headers=headers)


def call(
    method: str,
    target: str,
    name: str = "",
    headers: dict | Pairs | None = None,
    body: bytes | str | None = None,
    differs: str | None = None,
) -> Case:
    pairs = list(headers.items()) if isinstance(headers, dict) else list(headers or [])
    shown = " ".join(filter(None, [method, target, name or " ".join(": ".join(p) for p in pairs)]))
    data = body.encode() if isinstance(body, str) else body
    return Case(shown, method, target, pairs, data, differs)


def send(
    target: str,
    value: Any = None,
    *,
    name: str = "",
    text: bytes | str | None = None,
    method: str = "POST",
    headers: dict | None = None,
    content_type: str | None = "application/json",
    differs: str | None = None,
) -> Case:
    """A request with JSON: a value, or a text as it stands."""
    body = json.dumps(value, ensure_ascii=False) if text is None else text
    shown = name or (body if isinstance(body, str) else repr(body))
    pairs = [("content-type", content_type)] if content_type else []
    pairs += list((headers or {}).items())
    short = shown if len(shown) <= 120 else shown[:100] + f"… ({len(shown)})"
    return call(method, target, short, pairs, body, differs)

"""Sends the same requests to a FastAPI application and to its twin in Alula.

    python differential ALULA_BINARY FASTAPI_PROGRAM DIFFERENCES_PAGE [--pin]

`cargo xtask differential` calls it. An answer is its status, its headers and its body, byte for
byte. Where the two differ, the case has to name a rule, and both answers have to be those in
`pinned.json`; `--pin` writes that file anew. The last line says how many requests there were.
"""

import argparse
import contextlib
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import cases
import document
import wire
from case import Case
from rules import DOCUMENT, RULES

HERE = Path(__file__).parent
PINNED = HERE / "pinned.json"
SHOWN_MAX = 400
BODY_PINNED_MAX = 600

# What says nothing about the application, or is another value each time.
IGNORED = {
    "connection",
    "content-length",
    "date",
    "etag",
    "last-modified",
    "server",
    "transfer-encoding",
    "x-request-id",
}


@contextlib.contextmanager
def serving(command: list[str]):
    """A program that serves and says where; its port."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline()
            if not line:
                raise SystemExit(f"{command[-1]} did not start")
            yield int(line.rsplit(":", 1)[1])
        finally:
            process.terminate()


class Comparison:
    def __init__(self, page: str, pin: bool):
        self.page = page
        self.pin = pin
        self.pinned = json.loads(PINNED.read_text()) if PINNED.exists() else {}
        self.pins: dict[str, dict] = {}
        self.used: set[str] = set()
        self.equal = self.documented = 0
        self.others: list[str] = []

    def other(self, name: str, kind: str, theirs, ours):
        cut = lambda value: str(value)[:SHOWN_MAX]
        self.others.append(f"{name}\n  {kind}\n  fastapi: {cut(theirs)}\n  alula:   {cut(ours)}")

    def compare(self, case: Case, theirs: wire.Answer, ours: wire.Answer):
        left, right = shown(theirs), shown(ours)
        if case.differs is None:
            rules = self.level_headers(left, right)
            if left == right:
                self.used |= rules
                self.count(bool(rules))
            else:
                self.other(case.name, kind_of(left, right), left, right)
            return
        self.used.add(case.differs)
        if case.differs not in RULES:
            self.other(case.name, f"there is no rule `{case.differs}`", "", "")
        elif left == right:
            self.other(case.name, f"`{case.differs}` is not needed: both are alike", left, right)
        else:
            self.count(True)
            for answer in (left, right):
                answer["body"] = shortened(answer["body"])
            self.check_pin(case.name, {"rule": case.differs, "fastapi": left, "alula": right})

    def check_pin(self, name: str, pin: dict):
        self.pins[name] = pin = json.loads(json.dumps(pin))
        pinned = self.pinned.get(name)
        if self.pin or pinned == pin:
            return
        pinned = pinned or {"fastapi": "nothing is pinned", "alula": "nothing is pinned"}
        for one in ("fastapi", "alula"):
            if pinned[one] != pin[one]:
                kind = f"another answer of {one} than the pinned one (first pinned, then found)"
                self.other(name, kind, pinned[one], pin[one])

    def documents_differ(self, where: str, theirs, ours):
        name, rule = f"/openapi.json: {where}", DOCUMENT.get(where)
        if rule is None:
            self.other(name, "the documents differ", theirs, ours)
            return
        self.used.add(rule)
        self.check_pin(name, {"rule": rule, "fastapi": theirs, "alula": ours})

    def level_headers(self, left: dict, right: dict) -> set[str]:
        """Forgets headers whose two values are accepted everywhere; the rules that say so."""
        rules = set()
        for name, rule in RULES.items():
            if rule.header is None:
                continue
            header, theirs, ours = rule.header
            found = left["headers"].get(header), right["headers"].get(header)
            if found == (theirs, ours):
                del left["headers"][header], right["headers"][header]
                rules.add(name)
        return rules

    def count(self, documented: bool):
        self.documented += documented
        self.equal += not documented

    def finish(self, names: list[str]) -> bool:
        for name in sorted({name for name in names if names.count(name) > 1}):
            self.other(name, "two cases have this name", "", "")
        for name, rule in RULES.items():
            if f"- {rule.entry}" not in self.page:
                self.other(name, "the page of differences has no such entry", rule.entry, "")
            if name not in self.used:
                self.other(name, "no case needs this rule", rule.entry, "")
        if self.pin:
            PINNED.write_text(json.dumps(self.pins, indent=1, ensure_ascii=False) + "\n")
        else:
            for name in self.pinned.keys() - self.pins.keys():
                self.other(name, "pinned, and no case that differs", "", "")
        for other in self.others:
            print(other)
        return not self.others


def shown(answer: wire.Answer) -> dict:
    headers: dict[str, str] = {}
    for name, value in answer.headers:
        if name not in IGNORED:
            headers[name] = f"{headers[name]}\n{value}" if name in headers else value
    if "allow" in headers:
        headers["allow"] = ", ".join(sorted(headers["allow"].replace(" ", "").split(",")))
    body = answer.body.decode("utf-8", "backslashreplace")
    return {"status": answer.status, "headers": headers, "body": body}


def shortened(body: str) -> str:
    """A long body by its beginning and its digest."""
    if len(body) <= BODY_PINNED_MAX:
        return body
    digest = hashlib.sha256(body.encode()).hexdigest()
    return f"{body[:BODY_PINNED_MAX]}… {len(body)} characters, SHA-256 {digest}"


def kind_of(left: dict, right: dict) -> str:
    """Names what differs first."""
    if left["status"] != right["status"]:
        return f"status {left['status']} and {right['status']}"
    if left["headers"] != right["headers"]:
        names = left["headers"].keys() | right["headers"].keys()
        differing = [n for n in names if left["headers"].get(n) != right["headers"].get(n)]
        return "headers " + ", ".join(sorted(differing))
    try:
        theirs, ours = json.loads(left["body"]), json.loads(right["body"])
    except ValueError:
        return "the text of the body"
    return "the same JSON in other bytes" if theirs == ours else f"the body at {at(theirs, ours)}"


def at(theirs, ours) -> str:
    """Where two values of JSON part."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for key in theirs.keys() | ours.keys():
            if key not in theirs or key not in ours:
                return f"{key}, which only {'alula' if key in ours else 'fastapi'} has"
            if theirs[key] != ours[key]:
                return f"{key}.{at(theirs[key], ours[key])}"
    if isinstance(theirs, list) and isinstance(ours, list):
        if len(theirs) != len(ours):
            return f"its length, {len(theirs)} and {len(ours)}"
        for index, (one, other) in enumerate(zip(theirs, ours)):
            if one != other:
                return f"{index}.{at(one, other)}"
    return "its value"


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("alula")
    parser.add_argument("fastapi")
    parser.add_argument("page", type=Path)
    parser.add_argument("--pin", action="store_true")
    arguments = parser.parse_args()
    comparison = Comparison(arguments.page.read_text(), arguments.pin)
    with (
        serving([sys.executable, arguments.fastapi]) as fastapi,
        serving([arguments.alula]) as alula,
    ):
        every = list(cases.every())
        for case in every:
            request = wire.request(case.method, case.target, case.headers, case.body)
            comparison.compare(case, *(wire.send(port, request) for port in (fastapi, alula)))
        request = wire.request("GET", "/openapi.json", [], None)
        documents = [json.loads(wire.send(port, request).body) for port in (fastapi, alula)]
    for where, theirs, ours in document.differences(*documents):
        comparison.documents_differ(where, theirs, ours)
    ok = comparison.finish([case.name for case in every])
    print(
        f"{len(every)} requests, {comparison.equal} equal, "
        f"{comparison.documented} documented differences, {len(comparison.others)} others"
    )
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())

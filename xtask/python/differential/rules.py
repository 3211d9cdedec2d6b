"""The differences that are accepted.

Each is an entry of `docs/differences-from-fastapi.md`, named by how it begins there. A rule that
no case needs is an error, and so is one that the page does not have.
"""

from dataclasses import dataclass


@dataclass
class Rule:
    # The beginning of the entry in the page.
    entry: str
    # A header whose two values are accepted wherever they occur: name, FastAPI's, Alula's.
    header: tuple[str, str, str] | None = None


RULES: dict[str, Rule] = {
    "strict-json": Rule("**JSON is strict.**"),
    "content-type": Rule("**Another content type is 415.**"),
    "json-values": Rule("**`NaN`, `Infinity`, numbers beyond an `f64`"),
    "json-utf8": Rule("**JSON is UTF-8 without a byte order mark.**"),
    "repeated-key": Rule("**A repeated key of a struct**"),
    "integer-range": Rule("**Integers have the range of their Rust type**"),
    "dates-as-numbers": Rule("**Dates given as numbers are refused**"),
    "list-for-struct": Rule("**A struct inside the body may be given as a list**"),
    "own-checks": Rule("**They are silent while any field has the wrong type.**"),
    "nan": Rule("**`nan` and `inf` are refused**"),
    "missing-input": Rule("**A missing parameter shows `null` as its input**"),
    "path-utf8": Rule("**A path that is not UTF-8**"),
    "list-end": Rule("**A list ends after 100 errors**"),
    "all-json": Rule("**Every error of the app is JSON**"),
    "body-later": Rule("**A dependency speaks before the body is read.**"),
    "alone": Rule("**413, 415 and 400 are answered alone**"),
    "body-limit": Rule("**A body has at most 2 MiB**"),
    "head": Rule("**A `GET` route answers `HEAD`**", ("allow", "GET", "GET, HEAD")),
    "allow": Rule("**`Allow` names all methods of a path.**"),
    "raw-path": Rule("**A path is matched as it was sent**"),
    "trailing-slash": Rule("**A redirect for a slash too many or too few names a path.**"),
    "basic-base64": Rule("**Base64 is read strictly.**"),
    "basic": Rule("**User names and passwords of `Basic` are UTF-8**"),
    "empty-token": Rule("**`Bearer` without a token is no credential**"),
    "shown-file": Rule("**Where an error repeats a file**"),
    "form-type": Rule("**Another content type is 415**, as for JSON."),
    "broken-multipart": Rule("**A broken multipart body says what is broken**"),
    "no-content": Rule("**`()` is 204 without a body.**"),
    "compact-events": Rule("**Events are compact JSON.**"),
    "no-transform": Rule(
        "**Events are sent with `Cache-Control: no-cache, no-transform`**",
        ("cache-control", "no-cache", "no-cache, no-transform"),
    ),
    "lines-unbuffered": Rule("**JSON Lines are sent with `X-Accel-Buffering: no`**"),
    "schemas": Rule("**Schemas are written by schemars**"),
    "form-described": Rule("**A form with files is described as `multipart/form-data`**"),
    "bytes-described": Rule("**Files, streams of bytes and raw bodies are described**"),
    "key-names": Rule("**The scheme of an API key is named after the key**"),
}

# What differs between the OpenAPI documents: the place, the rule.
DOCUMENT: dict[str, str] = {
    "GET /security/cookie security": "key-names",
    "GET /security/query security": "key-names",
    "security schemes": "key-names",
    "POST /bodies/texts body": "schemas",
    "GET /media/bytes responses": "bytes-described",
    "GET /media/download responses": "bytes-described",
    "GET /media/file responses": "bytes-described",
    "GET /media/stream responses": "bytes-described",
    "POST /raw/text body": "bytes-described",
    "POST /files/many body": "form-described",
    "POST /files/one body": "form-described",
    "POST /files/optional body": "form-described",
}

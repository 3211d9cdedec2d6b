"""The two OpenAPI documents, compared by what they promise."""

from collections.abc import Iterator
from typing import Any


def differences(theirs: dict, ours: dict) -> Iterator[tuple[str, Any, Any]]:
    """Every place where the documents differ: where, FastAPI's, Alula's."""
    for part in ("openapi", "info"):
        yield from differ(part, theirs.get(part), ours.get(part))
    left, right = operations(theirs), operations(ours)
    yield from differ("operations", sorted(left), sorted(right))
    for name in sorted(left.keys() & right.keys()):
        theirs_, ours_ = describe(left[name], theirs), describe(right[name], ours)
        for part in theirs_:
            yield from differ(f"{name} {part}", theirs_[part], ours_[part])
    schemes = [document["components"].get("securitySchemes") for document in (theirs, ours)]
    yield from differ("security schemes", *schemes)


def differ(where: str, theirs: Any, ours: Any) -> Iterator[tuple[str, Any, Any]]:
    if theirs != ours:
        yield where, theirs, ours


def operations(document: dict) -> dict[str, dict]:
    return {
        f"{method.upper()} {path.replace('{*', '{').replace(':path}', '}')}": operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }


def describe(operation: dict, document: dict) -> dict[str, Any]:
    body = operation.get("requestBody")
    responses = {
        status: sorted(response.get("content", {}))
        for status, response in operation["responses"].items()
        # Documented additions: the shape of all errors, and what a lack of credentials gets.
        if status not in ("default", "401")
    }
    return {
        "parameters": sorted(
            (parameter["in"], parameter["name"], parameter.get("required", False))
            + (simple(parameter["schema"], document),)
            for parameter in operation.get("parameters", [])
        ),
        "body": body
        and {
            "required": body.get("required", False),
            "content": {
                kind: simple(content["schema"], document)
                for kind, content in body["content"].items()
            },
        },
        "responses": responses,
        # Which credentials are asked for; how they are combined is a documented difference.
        "security": sorted({name for one in operation.get("security", []) for name in one}),
        "tags": operation.get("tags"),
        "deprecated": operation.get("deprecated", False),
    }


CONSTRAINTS = (
    "minimum maximum exclusiveMinimum exclusiveMaximum multipleOf minLength maxLength pattern"
    " minItems maxItems enum default"
).split()


def simple(schema: dict | bool, document: dict, depth: int = 0) -> str:
    """A schema as one line that does not tell two ways to say the same apart."""
    if schema is True:
        schema = {}
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/")[-1]] | {
            key: value for key, value in schema.items() if key != "$ref"
        }
    if depth > 4:
        return "…"
    one_of = schema.get("anyOf") or schema.get("oneOf")
    if one_of:
        lines = [simple(one, document, depth) for one in one_of]
        return " | ".join(sorted({part for line in lines for part in line.split(" | ")}))
    kinds = schema.get("type", "any" if "const" not in schema else "string")
    if isinstance(kinds, list):
        one = [simple(schema | {"type": kind}, document, depth) for kind in kinds]
        return " | ".join(sorted(one))
    if kinds == "null":
        return "null"
    text = kinds
    rules = {key: schema[key] for key in CONSTRAINTS if key in schema}
    # The limits of a Rust integer, which Python's integers do not have, are a documented difference.
    rules = {key: value for key, value in rules.items() if value not in (-(2**63), 2**63 - 1)}
    if rules:
        text += str({key: float(v) if type(v) is int else v for key, v in rules.items()})
    if "const" in schema:
        text += f"={schema['const']}"
    if kinds == "array" and "items" in schema:
        text += f"[{simple(schema['items'], document, depth + 1)}]"
    if kinds == "object":
        required = schema.get("required", [])
        fields = [
            f"{name}{'' if name in required else '?'}: {simple(field, document, depth + 1)}"
            for name, field in sorted(schema.get("properties", {}).items())
        ]
        text += "{" + ", ".join(fields) + "}"
    return text

"""The requests, by what they are about."""

from collections.abc import Iterator

from case import Case

from . import answers, bodies, dependencies, errors, forms, media, parameters, routers, security, streams

MODULES = (
    bodies,
    parameters,
    dependencies,
    errors,
    answers,
    streams,
    forms,
    media,
    security,
    routers,
)


def every() -> Iterator[Case]:
    for module in MODULES:
        yield from module.cases()

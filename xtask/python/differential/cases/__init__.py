"""The requests, by what they are about."""

from collections.abc import Iterator

from case import Case

from . import answers, bodies, dependencies, errors, parameters, routers, streams


def every() -> Iterator[Case]:
    for module in (bodies, parameters, dependencies, errors, answers, streams, routers):
        yield from module.cases()

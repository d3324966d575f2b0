"""Which provider a host belongs to, and which of its functions answers a path."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from credentials.simulator.limits import Limit, Usage
from credentials.simulator.messages import Answer, Reply, Request
from credentials.simulator.state import Account

Handler = Callable[..., Answer]


@dataclass
class Route:
    method: str
    host: re.Pattern[str]
    path: re.Pattern[str]
    context: str
    handler: Handler


@dataclass
class Provider:
    """One provider: its hosts, its routes, and its own ways to refuse, to slow down and to count.

    `refuse` answers a token that is "missing", "invalid" or "expired", `throttled` one request too many.
    `counted` gives the quota headers of every answer.
    """

    name: str
    hosts: tuple[str, ...]
    suffixes: tuple[str, ...] = ()
    limits: dict[str, Limit] = field(default_factory=dict)
    routes: list[Route] = field(default_factory=list)
    refuse: Callable[[Request, str], Answer] = lambda request, why: Answer(401)
    throttled: Callable[[Request, Usage], Answer] = lambda request, usage: Answer(429)
    counted: Callable[[Request, Usage], dict[str, str]] = lambda request, usage: {}
    # Which of the limits counts an account's calls.
    counter_of: Callable[[Account], str] = lambda account: ""
    not_found: Callable[[Request], Answer] = lambda request: Answer(404, {"error": "not found"})

    def route(
        self, method: str, path: str, host: str = ".*", context: str = "api"
    ) -> Callable[[Handler], Handler]:
        """Registers a function for a method, a path and a host: regular expressions that match whole."""

        def register(handler: Handler) -> Handler:
            self.routes.append(Route(method, re.compile(host), re.compile(path), context, handler))
            return handler

        return register

    def find(self, request: Request) -> tuple[Route, dict[str, Any]] | None:
        """The route of a request, with the named groups of its path."""
        for route in self.routes:
            if route.method == request.method and route.host.fullmatch(request.host):
                if match := route.path.fullmatch(request.path):
                    return route, match.groupdict()
        return None


class Router:
    """Finds the provider of a host."""

    def __init__(self, providers: list[Provider]):
        self.providers = {provider.name: provider for provider in providers}
        self.exact = {host: provider for provider in providers for host in provider.hosts}
        self.suffixes = [(suffix, provider) for provider in providers for suffix in provider.suffixes]

    def of_host(self, host: str) -> Provider | None:
        found = self.exact.get(host)
        if found is None:
            found = next((p for suffix, p in self.suffixes if host.endswith(suffix) and host != suffix), None)
        return found

    def answer(self, request: Request) -> Answer:
        """What the provider answers. Faults that were asked for come first."""
        provider = self.of_host(request.host)
        if provider is None:
            return Answer(404, f"No provider has the host {request.host[:200]}.\n")
        request.provider = provider
        found = provider.find(request)
        try:
            if found is None:
                request.world.at_entrance(request)
                return provider.not_found(request)
            route, groups = found
            request.context = route.context
            request.world.at_entrance(request)
            answer = route.handler(request, **groups)
        except Reply as reply:
            answer = reply.answer
        if request.usage is not None and not answer.as_it_is:
            answer.headers = provider.counted(request, request.usage) | answer.headers
        return answer

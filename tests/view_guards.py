"""The guards of our own views, found by following all addresses, and each view without one of its guards.

A guard is `@permission_required(...)`, and an `if` that asks `has_perm` and raises.
"""

import ast
import importlib
import inspect
import sys
import textwrap
from collections.abc import Iterator
from typing import Any

from django.urls import URLPattern, clear_url_caches, get_resolver

OWN = ("credentials", "health", "project")


def views() -> list[Any]:
    """Each function of ours that an address leads to, as it is written."""
    found: dict[str, Any] = {}

    def follow(patterns: Any) -> None:
        for one in patterns:
            if isinstance(one, URLPattern):
                view = inspect.unwrap(one.callback)
                if inspect.isfunction(view) and view.__module__.partition(".")[0] in OWN:
                    found.setdefault(f"{view.__module__}.{view.__qualname__}", view)
            else:
                follow(one.url_patterns)

    follow(get_resolver().url_patterns)
    # Methods of the back office have guards of their own kind.
    return [view for name, view in sorted(found.items()) if view.__qualname__ == view.__name__]


def guards() -> Iterator[tuple[Any, str, str, Any]]:
    """The module and the name of a view, which guard it is, and the view without that guard."""
    for view in views():
        source = textwrap.dedent(inspect.getsource(view))
        for line in sorted(_lines(ast.parse(source))):
            tree = ast.parse(source)
            words = _take_away(tree, line)
            names: dict[str, Any] = {}
            code = compile(ast.fix_missing_locations(tree), inspect.getfile(view), "exec")
            exec(code, view.__globals__, names)  # our own source
            yield sys.modules[view.__module__], view.__name__, words, names[view.__name__]


def load_addresses() -> None:
    """Addresses hold on to the views that they were made with."""
    own = [
        name
        for name, module in sys.modules.items()
        if name.partition(".")[0] in OWN and name.endswith("urls") and hasattr(module, "urlpatterns")
    ]
    for name in sorted(own, key=lambda name: name == "project.urls"):
        importlib.reload(sys.modules[name])
    clear_url_caches()


def _is_guard(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        return ast.unparse(node.func).endswith("permission_required")
    return (
        isinstance(node, ast.If)
        and isinstance(node.body[0], ast.Raise)
        and any(word in ast.unparse(node.test) for word in (".has_perm(", ".has_perms("))
    )


def _lines(tree: ast.Module) -> set[int]:
    return {node.lineno for node in ast.walk(tree) if isinstance(node, ast.Call | ast.If) and _is_guard(node)}


def _take_away(tree: ast.Module, line: int) -> str:
    """Take the guard of that line away; returns it in words."""
    [function] = tree.body
    assert isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
    for decorator in function.decorator_list:
        if decorator.lineno == line:
            function.decorator_list.remove(decorator)
            return "@" + ast.unparse(decorator)
    [node] = [one for one in ast.walk(function) if isinstance(one, ast.If) and one.lineno == line]
    words = f"if {ast.unparse(node.test)}"
    node.test = ast.Constant(False)
    return words

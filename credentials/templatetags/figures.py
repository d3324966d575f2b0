"""How numbers are shown."""

from typing import Any

from django import template

register = template.Library()


@register.filter
def grouped(number: Any) -> str:
    """A whole number with its thousands apart: 1,234,567."""
    return f"{number:,}"

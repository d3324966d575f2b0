"""What the search box must know."""

from django import template

from credentials.leaked import PATTERN

register = template.Library()


@register.simple_tag
def secret_pattern() -> str:
    """A regular expression of what must not be sent in an address."""
    return PATTERN

"""Sets of numbers as people write them: 200, "200-299", or a list of both. Pure."""

import re

_RANGE = re.compile(r"([0-9]{3})(?:-([0-9]{3}))?")

Statuses = int | str | list[int | str]


def parse_statuses(option: str, wanted: Statuses) -> frozenset[int]:
    """Return the numbers that are meant. Raises ValueError that begins with the option's name."""
    numbers = [number for item in _items(wanted) for number in _numbers(option, item)]
    if not numbers:
        raise ValueError(f"{option}: must have at least one status")
    return frozenset(numbers)


def _numbers(option: str, text: str) -> range:
    match = _RANGE.fullmatch(text)
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not 100 <= first <= last <= 599:
        raise ValueError(f'{option}: must be statuses from 100 to 599, like 200 or "200-299", not {text}')
    return range(first, last + 1)


def show_statuses(wanted: Statuses) -> str:
    """Return them in words: `200`, `200-299 or 404`."""
    return " or ".join(_items(wanted))


def _items(wanted: Statuses) -> list[str]:
    return [str(item).strip() for item in (wanted if isinstance(wanted, list) else str(wanted).split(","))]

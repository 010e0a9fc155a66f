"""Types of arguments that commands share."""

import argparse

from feedback.options import parse_duration


def duration(text: str) -> float:
    """Read `500ms`, `2s`, `5m` or `1h` as seconds, more than none."""
    try:
        seconds = parse_duration(float(text) if text.replace(".", "", 1).isdigit() else text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if not seconds:
        raise argparse.ArgumentTypeError("must be more than 0s")
    return seconds

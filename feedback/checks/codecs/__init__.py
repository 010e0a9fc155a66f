"""What protocols say on the wire, as values: bytes in, a value or one CheckFailed out. All of it pure."""

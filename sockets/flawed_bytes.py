"""What bytes cost that have to be read field by field, in frames of a share."""

_BYTES_A_FRAME, _BYTES_A_WORK = 16 * 1024, 4 * 1024


def price(size: int) -> tuple[int, int]:
    """Return what such a frame costs its own socket, and its principal besides."""
    return 1 + size // _BYTES_A_FRAME, size // _BYTES_A_WORK

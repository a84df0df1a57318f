"""WebSocket frames as bytes (RFC 6455, 5.2): where one ends, and the head of one of ours."""

try:
    from websockets.speedups import apply_mask
except ImportError:  # a build of websockets without its C part
    from websockets.utils import apply_mask

_TEXT, _WHOLE_BYTES, _MASKED, _SIZE_BITS = 0x81, 0x82, 0x80, 0x7F
_SHORT, _MEDIUM = 126, 127
_MOST_SHORT, _MOST_MEDIUM = 125, 0xFFFF
_HEAD_BYTES = {_SHORT: 4, _MEDIUM: 10}
_MASK_BYTES = 4


def find_payload(data: bytes | bytearray, start: int) -> tuple[int, int] | None:
    """Return where the payload of the frame at `start` begins and ends; None: its head is cut."""
    left = len(data) - start
    if left < 2:  # noqa: PLR2004 - every head has these two
        return None
    size = data[start + 1] & _SIZE_BITS
    head_bytes = _HEAD_BYTES.get(size, 2)
    if left < head_bytes:
        return None
    if size > _MOST_SHORT:
        size = int.from_bytes(data[start + 2 : start + head_bytes], "big")
    begin = start + head_bytes + (_MASK_BYTES if data[start + 1] & _MASKED else 0)
    return begin, begin + size


def is_whole_text(data: bytes | bytearray, start: int) -> bool:
    """Say whether the frame at `start` is a masked text message in one piece."""
    return data[start] == _TEXT and data[start + 1] & _MASKED != 0


def is_whole_bytes(data: bytes | bytearray, start: int) -> bool:
    """Say whether the frame at `start` is bytes in one piece."""
    return data[start] == _WHOLE_BYTES


def is_masked(data: bytes | bytearray, start: int) -> bool:
    """Say whether the frame at `start` is masked, as all that clients send must be."""
    return data[start + 1] & _MASKED != 0


def unmask(data: bytes | bytearray, begin: int, end: int) -> bytes:
    """Return a payload as its sender wrote it."""
    return apply_mask(data[begin:end], data[begin - _MASK_BYTES : begin])


def head_of_text(size: int) -> bytes:
    """Return the head of a text message of `size` bytes in one piece, unmasked."""
    if size <= _MOST_SHORT:
        return bytes((_TEXT, size))
    if size <= _MOST_MEDIUM:
        return bytes((_TEXT, _SHORT)) + size.to_bytes(2, "big")
    return bytes((_TEXT, _MEDIUM)) + size.to_bytes(8, "big")

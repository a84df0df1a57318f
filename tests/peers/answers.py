"""Checks that every frame the server sends is one of the messages it declares."""

import json

import msgspec

from nodes.messages import ToNode
from sessions_app.listening.messages import ToListener
from sessions_app.messages import ToSpeaker
from sockets.wire import ErrorFrame

_Answer = ToSpeaker | ErrorFrame | ToNode | ToListener
_decoder: msgspec.json.Decoder[_Answer] = msgspec.json.Decoder(_Answer)


def check(text: str) -> None:
    """Decode a frame and see that nothing of it was lost on the way.

    :raises msgspec.ValidationError: it is none of our messages
    """
    message = _decoder.decode(text)
    again = json.loads(msgspec.json.encode(message))
    sent = json.loads(text)
    missing = {name: value for name, value in sent.items() if again.get(name, value) != value}
    assert not missing, f"{missing} changed by decoding {text[:500]}"
    assert all(value is not None for name, value in sent.items() if name != "details"), text[:500]

"""A speaker who sits in rooms, scripted frame by frame."""

from typing import Any

from tests.peers.frames import Frame
from tests.peers.speaker import Speaker


class Member(Speaker):
    """A session in a room, or about to be."""

    code = ""

    async def create_room(self, **named: Any) -> str:
        """Open a room; return its code once its page would be open."""
        await self.send({"type": "room_create", "client_ts": 1} | named)
        self.code = (await self.next("room_create_ack"))["room_code"]
        await self.next("room_members")
        return self.code

    async def join_room(self, code: str, **named: Any) -> Frame:
        """Join a room; return who is in it."""
        await self.send({"type": "room_join", "room_code": code} | named)
        await self.next("room_create_ack")
        self.code = code
        return await self.next("room_members")

    async def refused(self, frame: Frame) -> str:
        """Say something about a room; return the code it is refused with."""
        await self.send(frame)
        code: str = (await self.next("room_error"))["code"]
        return code

    async def prefer(self, target_id: str, *, wanted: bool) -> None:
        """Say whether another's own voice is wanted."""
        await self.send(
            {
                "type": "room_raw_voice_preference",
                "room_code": self.code,
                "target_session_id": target_id,
                "receive_raw_voice": wanted,
            }
        )

    async def offer(self, to: str, **changes: Any) -> None:
        """Let its browser call another's."""
        offer = {"type": "webrtc_offer", "room_code": self.code, "to": to}
        await self.send(offer | {"sdp": {"type": "offer", "sdp": "v=0\r\n"}} | changes)

    async def sees(self, *names: str) -> Frame:
        """Wait until exactly these are in the room, in this order."""
        return await self.next(
            lambda frame: frame["type"] == "room_members" and list_names(frame) == list(names)
        )


def list_names(frame: Frame) -> list[str]:
    return [member.get("display_name", "") for member in frame["members"]]

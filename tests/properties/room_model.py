"""What a room is meant to do, in plain Python: the model that the scripts must equal."""

import dataclasses


@dataclasses.dataclass(slots=True)
class Seat:
    """Somebody in a room."""

    lang: str
    instance_id: str
    wants: dict[str, bool] = dataclasses.field(default_factory=dict)
    is_as_it_came: bool = True


@dataclasses.dataclass(slots=True)
class RoomModel:
    """One code: the room it stands for, or none."""

    most_members: int
    most_listeners: int
    idle_ms: int
    room_id: str = ""
    next_index: int = 0
    active_at_ms: int = 0
    members: dict[str, Seat] = dataclasses.field(default_factory=dict)
    listeners: dict[str, Seat] = dataclasses.field(default_factory=dict)

    def create(self, room_id: str, member_id: str, seat: Seat, now_ms: int) -> bool:
        if self.room_id:
            return self.room_id == room_id
        self.room_id, self.next_index, self.active_at_ms = room_id, 0, now_ms
        self.members, self.listeners = {member_id: seat}, {}
        return True

    def join(
        self, member_id: str, seat: Seat, now_ms: int, *, listens: bool, takes_over: bool
    ) -> str:
        seats, most = self._find(listens=listens)
        if not self.room_id:
            return "unknown"
        if member_id in seats and not takes_over:
            return "already"
        if member_id not in seats and len(seats) >= most:
            return "full"
        seats[member_id] = seat
        self.active_at_ms = now_ms
        return ""

    def leave(self, member_id: str, instance_id: str, *, listens: bool) -> str:
        seats, _ = self._find(listens=listens)
        if not self.room_id:
            return "unknown"
        seat = seats.get(member_id)
        if seat and instance_id and seat.instance_id != instance_id:
            return "elsewhere"
        seats.pop(member_id, None)
        if not self.members and not self.listeners:
            self.room_id = ""
        return ""

    def prefer(self, member_id: str, target_id: str, *, wanted: bool) -> str:
        if not self.room_id:
            return "unknown"
        if member_id not in self.members:
            return "stranger"
        self.members[member_id].wants[target_id] = wanted
        self.members[member_id].is_as_it_came = False
        return ""

    def choose(self, member_id: str, lang: str, *, listens: bool) -> str:
        seats, _ = self._find(listens=listens)
        if not self.room_id:
            return "unknown"
        if member_id not in seats:
            return "stranger"
        seats[member_id].lang, seats[member_id].is_as_it_came = lang, False
        return ""

    def say(self, member_id: str, own_index: int) -> tuple[int, list[str]] | None:
        if not self.room_id or member_id not in self.members:
            return None
        index = max(self.next_index, own_index)
        self.next_index = index + 1
        others = [seat for key, seat in self.members.items() if key != member_id]
        return index, sorted({seat.lang for seat in (*others, *self.listeners.values())})

    def end(self, now_ms: int) -> int | None:
        if not self.room_id:
            return None
        left_ms = self.active_at_ms + self.idle_ms - now_ms
        if left_ms > 0:
            return left_ms
        self.room_id, self.members, self.listeners = "", {}, {}
        return 0

    def _find(self, *, listens: bool) -> tuple[dict[str, Seat], int]:
        if listens:
            return self.listeners, self.most_listeners
        return self.members, self.most_members

"""Those who listen in rooms at this instance: each room is heard once, however many they are."""

import asyncio
import collections
import contextlib
import logging

from scheduling.model import clock, languages
from scheduling.model.background import Background
from scheduling.model.errors import AccessDenied, BadInput, DependencyDown, RoomUnknown
from scheduling.model.metrics import Metrics
from scheduling.model.rooms import Caption, MemberKind, MembersChanged, RoomEnded, ToRoom
from scheduling.rooms.captions import Captions
from scheduling.rooms.rooms import Rooms, make_member
from sessions_app.listening.listener import Listener, read_caption_id
from sessions_app.listening.shown_captions import ShownCaption
from sessions_app.room_messages import RoomExpired
from sockets.socket_auth import Peer

_logger = logging.getLogger(__name__)

_OVER = "The room is over."
# Captions are numbered by the clock of Redis.
_CLOCKS_APART_MS = 60_000
# A browser comes back two seconds after its stream ended.
_LINGER_S = 5.0


class ListenerSeats:
    """Seats listeners, lets them choose a language, and brings them what is said."""

    def __init__(
        self, *, rooms: Rooms, captions: Captions, metrics: Metrics, linger_s: float = _LINGER_S
    ) -> None:
        self._linger_s = linger_s
        self._rooms = rooms
        self._captions = captions
        self._metrics = metrics
        self._background = Background()
        self._halls: dict[str, _Hall] = {}
        self._count = 0

    async def listen(
        self, listener: Listener, *, room_code: str, lang: str, after: str, peer: Peer
    ) -> None:
        """Seat a listener in a room, and tell it what was said there in the last minutes.

        `after` is the last caption it had. Of a ticket for a room that is the one, named or not.

        :raises AccessDenied: its ticket is for another room
        :raises BadInput: no room is named, or no language
        :raises RoomUnknown: there is no such room
        :raises RoomFull: as many listen in it as may
        :raises TooManyRequests: its sender named too many codes that were no room's
        :raises DependencyDown: Redis did not answer
        """
        code = _choose_room(room_code, peer=peer)
        lang = languages.read_language(lang)
        if code == listener.room_code:
            await self._move(listener, lang=lang, after=after)
            return
        await self._rooms.check(code, sender=peer.sender)
        await self._seat(listener, code=code, lang=lang, peer=peer)
        await self._catch_up(listener, after=after)

    async def change_language(self, listener: Listener, *, lang: str) -> None:
        """Let a listener hear on in another language, from the last minutes on.

        :raises BadInput: it is in no room
        :raises RoomUnknown: the room is over
        :raises DependencyDown: Redis did not answer
        """
        if not listener.room_code:
            raise BadInput("Say first in which room: listen.", code="NOT_LISTENING")
        await self._move(listener, lang=languages.read_language(lang), after="")

    async def leave(self, listener: Listener) -> None:
        """A listener goes, or its socket is gone.

        The last of a language may be back in a moment: its seat stays, so that what is said
        meanwhile is asked for.

        :raises DependencyDown: Redis did not answer
        """
        code = self._stand_up(listener)
        hall = self._halls.get(code)
        if hall is None or hall.has(listener.lang) or not self._linger_s:
            await self._free(listener, code)
            return
        await self._empty(code, hall)
        self._background.run(self._free_later(listener, code), name="a seat's end")

    async def _free_later(self, listener: Listener, code: str) -> None:
        await asyncio.sleep(self._linger_s)
        with contextlib.suppress(DependencyDown):
            # Where Redis does not say so, that seat ends with its room.
            await self._leave_seat(listener, code)

    def end(self, hall: "_Hall", *, code: str) -> None:
        """A room is over: tell who listened."""
        if self._halls.get(code) is hall:
            del self._halls[code]
        for listener in hall.list_all():
            listener.room_code = ""
            listener.queue.tell(RoomExpired(room_code=code, message=_OVER))
            listener.queue.room_is_over()
            self._note(-1)
        self._background.run(self._rooms.broadcast.detach(code, hall), name="a hall's end")

    def seat_again(self, hall: "_Hall", *, code: str) -> None:
        """Redis lost who listens, and the room was written back."""
        self._background.run(self._seat_again(hall, code), name="listeners to seat again")

    def _stand_up(self, listener: Listener) -> str:
        """Let a listener hear no more of its room; return which that was, "" for none."""
        code = listener.room_code
        hall = self._halls.get(code)
        if hall is None or not hall.remove(listener):
            return ""
        listener.room_code = ""
        self._note(-1)
        return code

    async def _free(self, listener: Listener, code: str) -> None:
        if not code:
            return
        hall = self._halls.get(code)
        if hall is not None:
            await self._empty(code, hall)
        await self._leave_seat(listener, code)

    async def _leave_seat(self, listener: Listener, code: str) -> None:
        await self._rooms.leave(
            code,
            member_id=listener.listener_id,
            kind=MemberKind.LISTENER,
            at=self._rooms.instance_id,
        )

    async def _seat(self, listener: Listener, *, code: str, lang: str, peer: Peer) -> None:
        async with self._rooms.broadcast.entering(code):
            member = make_member(
                listener.listener_id,
                lang=lang,
                instance_id=self._rooms.instance_id,
                kind=MemberKind.LISTENER,
            )
            room = await self._rooms.join(code, member, sender=peer.sender)
            # What the room is told before somebody hears it is lost: the one before waits.
            former = self._stand_up(listener)
            hall = self._halls.get(code)
            if hall is None:
                hall = self._halls[code] = _Hall(code, seats=self)
            self._rooms.broadcast.attach(room, hall)
            listener.move(room_code=code, lang=lang)
            hall.add(listener)
            self._note(1)
        with contextlib.suppress(DependencyDown):
            # Where Redis does not say so, that seat ends with its room.
            await self._free(listener, former)
        meant = peer.principal.room_id if peer.principal is not None else ""
        if meant and meant != room.room_id:
            await self._free(listener, self._stand_up(listener))
            raise RoomUnknown

    async def _move(self, listener: Listener, *, lang: str, after: str) -> None:
        code = listener.room_code
        if lang != listener.lang:
            await self._rooms.choose_language(
                code, member_id=listener.listener_id, lang=lang, kind=MemberKind.LISTENER
            )
        hall = self._halls.get(code)
        if hall is None or not hall.remove(listener):
            raise RoomUnknown
        listener.move(room_code=code, lang=lang)
        hall.add(listener)
        await self._catch_up(listener, after=after)

    async def _catch_up(self, listener: Listener, *, after: str) -> None:
        """Tell what was said; one who cannot be told hears what comes."""
        since = after if _may_be_had(after) else ""
        try:
            kept = await self._captions.list_kept(listener.room_code, after=since or "-")
        except DependencyDown:
            kept = []
        said = [one for one in kept if languages.normalize(one.lang) == listener.lang]
        listener.catch_up(said, after=since)

    async def _empty(self, code: str, hall: "_Hall") -> None:
        if not hall.is_empty:
            return
        if self._halls.get(code) is hall:
            del self._halls[code]
        await self._rooms.broadcast.detach(code, hall)

    async def _seat_again(self, hall: "_Hall", code: str) -> None:
        for listener in hall.list_all():
            member = make_member(
                listener.listener_id,
                lang=listener.lang,
                instance_id=self._rooms.instance_id,
                kind=MemberKind.LISTENER,
            )
            try:
                if listener.room_code != code:
                    continue
                if await self._rooms.take_over(code, member) is None:
                    return
                if listener.room_code != code:
                    # It left meanwhile, when it had no seat to leave.
                    await self._leave_seat(listener, code)
            except DependencyDown:
                _logger.warning("listeners were not seated again", extra={"room": code})
                return

    def _note(self, change: int) -> None:
        self._count += change
        self._metrics.gauge("room_listeners", value=self._count)


class _Hall:
    """The listeners of one room at this instance, by language."""

    def __init__(self, code: str, *, seats: ListenerSeats) -> None:
        self._code = code
        self._seats = seats
        self._by_lang: dict[str, dict[Listener, None]] = collections.defaultdict(dict)
        # Those who chose another language while something may be under way in the one before.
        self._changed: dict[Listener, None] = {}

    @property
    def is_empty(self) -> bool:
        return not self._by_lang

    def add(self, listener: Listener) -> None:
        self._by_lang[listener.lang][listener] = None
        if listener.chosen.was_changed:
            self._changed[listener] = None

    def remove(self, listener: Listener) -> bool:
        """Forget a listener; False where it was not here."""
        same = self._by_lang.get(listener.lang, {})
        if listener not in same:
            return False
        del same[listener]
        self._changed.pop(listener, None)
        if not same:
            del self._by_lang[listener.lang]
        return True

    def has(self, lang: str) -> bool:
        """Say whether somebody listens in a language here."""
        return lang in self._by_lang

    def list_all(self) -> list[Listener]:
        return [listener for same in self._by_lang.values() for listener in same]

    def hear(self, event: ToRoom) -> None:
        """Take what the room is told."""
        match event:
            case Caption():
                self._show(event)
            case RoomEnded():
                self._seats.end(self, code=self._code)
            case MembersChanged():
                if not event.room.listeners:
                    self._seats.seat_again(self, code=self._code)

    def _show(self, caption: Caption) -> None:
        """Show a caption to who listens in its language, or did when it was said."""
        lang = languages.normalize(caption.lang)
        shown = ShownCaption(caption)
        for listener in self._by_lang.get(lang, ()):
            listener.show(shown)
        for listener in list(self._changed):
            if not listener.chosen.was_changed:
                del self._changed[listener]
            elif listener.lang != lang and listener.chosen.hears(caption):
                listener.show(shown)


def _may_be_had(caption_id: str) -> bool:
    """Say whether a caption's id may be one that was told: none is of a time to come."""
    at_ms, _ = read_caption_id(caption_id)
    return 0 < at_ms <= clock.now_ms() + _CLOCKS_APART_MS


def _choose_room(code: str, *, peer: Peer) -> str:
    """Return the room that somebody listens in.

    :raises AccessDenied: its ticket is for another
    :raises BadInput: it named none
    """
    bound = peer.principal.room_code if peer.principal is not None else ""
    if bound and code not in ("", bound):
        raise AccessDenied("This ticket is for another room.", forbidden=True)
    if not code and not bound:
        raise BadInput("Say in which room: room_code.", code="INVALID_MESSAGE")
    return bound or code

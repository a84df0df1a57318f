"""A process that leaves: its speakers go one after the other, each with all its answers."""

import asyncio
import math

from scheduling.model.delivery import Delivery

_STEPS = 20
_SHARE_OF_TIME = 0.5


class SessionDrain:
    """Closes the sessions of this process in steps, so that they do not all come back at once."""

    def __init__(self, *, delivery: Delivery) -> None:
        self._delivery = delivery

    async def run(self, *, within_s: float) -> None:
        """Close a few sessions a step, over half of the time; one that waits for answers waits.

        Returns when every session was told; cancel it when the time is over.
        """
        staying = self._delivery.local.list_sessions()
        a_step = math.ceil(len(staying) / _STEPS)
        while staying:
            going = [speaker for speaker in staying if speaker.is_idle][:a_step]
            for speaker in going:
                speaker.go_away()
            staying = [speaker for speaker in staying if speaker not in going]
            if staying:
                await asyncio.sleep(within_s * _SHARE_OF_TIME / _STEPS)

"""The settings of rooms: the rest of `lingua.settings`, read with it."""

from lingua.settings.env import env_float, env_int

# So many may speak in a room; one more is refused with ROOM_FULL.
LINGUA_ROOM_MAX_MEMBERS = env_int("LINGUA_ROOM_MAX_MEMBERS", default=50, minimum=1)
# So many may listen in a room beside them.
LINGUA_ROOM_MAX_LISTENERS = env_int("LINGUA_ROOM_MAX_LISTENERS", default=2_000, minimum=0)
# In so many languages a room may be listened to; each costs a job an utterance.
LINGUA_ROOM_MAX_LANGUAGES = env_int("LINGUA_ROOM_MAX_LANGUAGES", default=32, minimum=1)
# A room that nobody joined and nothing was translated in for so long is over.
LINGUA_ROOM_IDLE_S = env_float("LINGUA_ROOM_IDLE_S", default=1_800, minimum=1)
# For so long captions are kept for who joins late; 0 keeps none.
LINGUA_ROOM_CAPTIONS_S = env_float("LINGUA_ROOM_CAPTIONS_S", default=180, minimum=0)
# So many rooms one principal may open in a minute.
LINGUA_ROOMS_PER_MINUTE = env_float("LINGUA_ROOMS_PER_MINUTE", default=10, minimum=0.1)
# So many codes of no room one principal may name in a minute, before it must wait.
LINGUA_ROOM_GUESSES_PER_MINUTE = env_float(
    "LINGUA_ROOM_GUESSES_PER_MINUTE", default=10, minimum=0.1
)
# Captions that wait for one listener who reads too slowly; beyond, the oldest are left out.
LINGUA_LISTENER_MAX_WAITING = env_int("LINGUA_LISTENER_MAX_WAITING", default=64, minimum=4)

"""The settings of what older clients need: the rest of `lingua.settings`, read with it."""

from lingua.settings.env import env_str

# zero numbers utterances of a session from 0; clock from where no earlier one of its page can be.
LINGUA_UTTERANCE_INDICES = env_str(
    "LINGUA_UTTERANCE_INDICES", default="zero", choices=("zero", "clock")
)

"""The settings of what older clients need: the rest of `lingua.settings`, read with it."""

from lingua.settings.env import env_float, env_str

# zero numbers utterances of a session from 0; clock from where no earlier one of its page can be.
LINGUA_UTTERANCE_INDICES = env_str(
    "LINGUA_UTTERANCE_INDICES", default="zero", choices=("zero", "clock")
)
# For so long a speaker may show the code that a node was given; it binds one session to the node.
LINGUA_PAIRING_CODE_S = env_float("LINGUA_PAIRING_CODE_S", default=300, minimum=0.1)

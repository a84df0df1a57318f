"""What Redis said, for the stores: they share with the channel layer only what reaches Redis."""

from channels_streams.redis.refusals import spell_out, tell_of

__all__ = ["spell_out", "tell_of"]

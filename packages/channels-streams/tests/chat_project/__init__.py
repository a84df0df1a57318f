"""The chat of Channels' tutorial, as a project of its own, for tests that start servers."""

"""The admin's pages, where Django looks for them: importing a module registers what it shows."""

from operators.admin import jobs, nodes, pools, probes, tokens, users

__all__ = ["jobs", "nodes", "pools", "probes", "tokens", "users"]

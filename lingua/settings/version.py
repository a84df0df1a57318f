"""The version of this tree, as instances, the API and the changelog name it."""

VERSION = "0.1.0"

"""What a browser and the web client's own tests need, beside what npm fetches."""

from tests.browser.conftest import browser, is_durable, microphone_file
from tests.web_client.conftest import lingua, nodes

__all__ = ["browser", "is_durable", "lingua", "microphone_file", "nodes"]

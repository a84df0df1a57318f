"""Settings of languages: in which a page is read. A part of `lingua.settings`, which takes it over.

A browser says which one it prefers, and the switch on each page is remembered in a cookie; for any
other there is English. Catalogues: `locale/`, written by `make messages`.
"""

from pathlib import Path

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("zh-hans", "中文")]
# The folder of `locale/` for each that is not English.
LINGUA_CATALOGS = {"zh-hans": "zh_Hans"}
LANGUAGE_COOKIE_NAME = "lingua_language"
LANGUAGE_COOKIE_SAMESITE = "Lax"
LANGUAGE_COOKIE_AGE = 365 * 24 * 3600
LOCALE_PATHS = [Path(__file__).resolve().parents[2] / "locale"]

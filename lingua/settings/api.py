"""How the operators' API answers and describes itself; nothing here depends on the installation."""

from lingua.settings.version import VERSION

REST_FRAMEWORK: dict[str, object] = {
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "operators.api.authentication.TokenAuthentication",
        "operators.api.authentication.LoginAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["operators.api.roles.IsViewer"],
    "DEFAULT_RENDERER_CLASSES": [
        "operators.api.renderers.EncodedRenderer",
        "rest_framework.renderers.BrowsableAPIRenderer",
    ],
    "DEFAULT_PAGINATION_CLASS": "rest_framework.pagination.LimitOffsetPagination",
    "PAGE_SIZE": 50,
}
SPECTACULAR_SETTINGS: dict[str, object] = {
    "TITLE": "Lingua",
    "DESCRIPTION": "What operators can see of a Lingua scheduler.",
    "VERSION": VERSION,
    # Messages of work over HTTP describe themselves in the JSON Schema of this version.
    "OAS_VERSION": "3.1.0",
    "SERVE_PERMISSIONS": ["operators.api.roles.IsViewer"],
    "SERVE_INCLUDE_SCHEMA": False,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "operators.api.schema.add_refusals",
        "lingua.serving.http_api_schema.describe_http_api",
        "lingua.serving.openai_audio_schema.describe_openai_audio",
    ],
}

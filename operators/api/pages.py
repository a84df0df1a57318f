"""The operators' pages: templates that fetch or receive what they show."""

from collections.abc import Callable

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.views.i18n import JavaScriptCatalog

from operators.console.permissions import may_operate, may_see
from operators.db.tenant_readers import find_tenant

# What scripts say, in the language of whoever reads the page; English needs none.
read_words = JavaScriptCatalog.as_view(packages=["operators"])

# Pages that ask for nothing but what is one tenant's.
_OF_ONE_TENANT = frozenset({"jobs"})


def page(name: str) -> Callable[[HttpRequest], HttpResponseBase]:
    """Return the view of one page; nothing on it comes from another host."""

    def show(request: HttpRequest) -> HttpResponseBase:
        if not may_see(request) and not (name in _OF_ONE_TENANT and find_tenant(request.user)):
            return redirect_to_login(request.get_full_path(), "admin:login")
        context = {"page": name, "may_operate": may_operate(request)}
        return render(request, f"operators/{name}.html", context)

    show.__name__ = f"show_{name.replace('-', '_')}"
    return show

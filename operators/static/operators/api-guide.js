// The API's own description, as a list a person can follow and try.
import { find, make, showFreshness } from "./dom.js";
import { t } from "./words.js";

const answer = await fetch("/api/schema", { headers: { Accept: "application/vnd.oai.openapi+json" } });
const schema = await answer.json();

function listQuestions(operation) {
  const asks = (operation.parameters ?? []).map((entry) =>
    make("li", {}, make("code", {}, entry.name), ` ${entry.in}${entry.required ? t(", required") : ""}`, entry.description ? `: ${t(entry.description)}` : ""));
  return asks.length ? make("ul", {}, ...asks) : null;
}

function listAnswers(operation) {
  const rows = Object.entries(operation.responses).map(([status, response]) => {
    const { examples } = response.content?.["application/json"] ?? {};
    const shown = Object.values(examples ?? {}).map((one) => make("pre", {}, JSON.stringify(one.value, null, 2)));
    return make("li", {}, make("b", {}, status), ` ${t(response.description || "")}`, ...shown);
  });
  return make("details", {}, make("summary", {}, t("Answers")), make("ul", { class: "plain" }, ...rows));
}

function tryIt(path) {
  const told = make("pre", { hidden: true, role: "status" });
  const button = make("button", { type: "button", "data-try": path, "aria-label": t("Try it: {path}", { path }) }, t("Try it"));
  button.addEventListener("click", async () => {
    const tried = await fetch(path, { headers: { Accept: "application/json" } });
    told.hidden = false;
    told.textContent = `${tried.status} ${JSON.stringify(await tried.json(), null, 2).slice(0, 20000)}`;
  });
  return make("div", {}, button, told);
}

find("#paths").replaceChildren(
  ...Object.entries(schema.paths).flatMap(([path, methods]) => Object.entries(methods).map(([method, operation]) =>
    make("section", { class: "card" },
      make("h2", {}, make("code", {}, `${method.toUpperCase()} ${path}`)),
      make("p", {}, t(operation.description ?? "")),
      listQuestions(operation), listAnswers(operation),
      method === "get" && !path.includes("{") ? tryIt(path) : null))),
);
showFreshness(t("version {version}", { version: schema.info.version }));
document.body.dataset.loaded = "yes";

// The API's own description, as a list a person can follow.
import { find, make, showFreshness } from "./dom.js";

const answer = await fetch("/api/schema", { headers: { Accept: "application/vnd.oai.openapi+json" } });
const schema = await answer.json();
find("#paths").replaceChildren(
  ...Object.entries(schema.paths).map(([path, methods]) => {
    const [method, get] = Object.entries(methods)[0];
    const asks = (get.parameters ?? []).map((entry) =>
      make("li", {}, make("code", {}, entry.name), ` ${entry.in}${entry.required ? ", required" : ""}`, entry.description ? `: ${entry.description}` : ""));
    const title = path.includes("{") || method !== "get" ? make("code", {}, `${method.toUpperCase()} ${path}`) : make("a", { href: path }, make("code", {}, `GET ${path}`));
    return make("section", { class: "card" }, make("h2", {}, title), make("p", {}, get.description ?? ""),
      asks.length ? make("ul", {}, ...asks) : null);
  }),
);
showFreshness(`version ${schema.info.version}`);
document.body.dataset.loaded = "yes";

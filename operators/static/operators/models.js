// Services installed on nodes, and the hub's catalog, from /api/v1/stats.
import { fillRows, formatNumber, id, number, poll, row, setTile } from "./dom.js";
import { t } from "./words.js";

poll("/api/v1/stats", ({ nodes }) => {
  const counts = nodes.service_node_counts;
  setTile("installed", Object.keys(counts).length);
  setTile("listed", nodes.total_services);
  const listed = nodes.available_services.flatMap((service) =>
    (service.variants.length ? service.variants : [{}]).map((variant) =>
      row(
        id(service.service_id),
        service.name,
        variant.version ?? service.latest_version,
        variant.platform ?? "–",
        variant.artifact?.size_bytes ? `${formatNumber(variant.artifact.size_bytes / 1e6, 1)} MB` : "–",
        number(counts[service.service_id] ?? 0),
        id((variant.artifact?.sha256 ?? "–").slice(0, 12)),
      ),
    ),
  );
  fillRows("#catalog", listed, { empty: t("No model hub is configured, or it lists nothing.") });
  fillRows(
    "#installed",
    Object.entries(counts).sort((one, other) => other[1] - one[1]).map(([service, count]) => row(id(service), number(count))),
    { empty: t("No node has a service.") },
  );
});

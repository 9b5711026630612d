// How the server does: numbers, and five minutes of them.

import { ask, say } from "/page/api.js";
import { timeChart } from "/page/charts.js";
import { brief, make, milliseconds, plural, trouble, whole } from "/page/dom.js";

const PERIOD_MS = 2000;
let timer = 0;
let parts = null;

export function show(panel) {
  parts ??= build(panel);
  hide();
  look();
}

export function hide() {
  clearTimeout(timer);
}

function build(panel) {
  const tiles = make("dl", { class: "tiles" });
  const charts = {
    events: timeChart({ title: "Events stored", unit: "a second", lines: [{ name: "events", kind: "first", of: (one) => one.events_per_s }], format: (n) => `${brief(n)}/s` }),
    requests: timeChart({
      title: "Requests",
      unit: "a second",
      lines: [
        { name: "all", kind: "first", of: (one) => one.requests_per_s },
        { name: "errors", kind: "bad", of: (one) => one.errors_per_s },
      ],
      format: (n) => `${brief(n)}/s`,
    }),
    answers: timeChart({ title: "Time to answer", unit: "half of all requests within", lines: spread("answers"), format: milliseconds }),
    freshness: timeChart({ title: "From stored to seen", unit: "half of all events within", lines: spread("freshness"), format: milliseconds }),
  };
  const told = make("div", { class: "told" });
  const problem = make("div");
  panel.replaceChildren(
    make("div", { class: "view-head" }, make("h2", {}, "Overview"), make("p", {}, "The last minute over all processes, without health checks and this view.")),
    problem,
    tiles,
    make("div", { class: "charts" }, ...Object.values(charts).map(({ figure }) => figure)),
    told,
  );
  return { tiles, charts, told, problem };
}

function spread(name) {
  return [
    { name: "50 %", kind: "first", of: (one) => one[name].p50_ms },
    { name: "95 %", kind: "second", of: (one) => one[name].p95_ms },
    { name: "99 %", kind: "third", of: (one) => one[name].p99_ms },
  ];
}

async function look() {
  if (document.visibilityState === "visible") {
    try {
      render(await ask("/v1/admin/overview"));
      parts.problem.replaceChildren();
    } catch (error) {
      parts.problem.replaceChildren(trouble(error));
    }
  }
  clearTimeout(timer);
  if (!parts.tiles.closest("[hidden]")) timer = setTimeout(look, PERIOD_MS);
}

function render(found) {
  const { sizes, last_minute: minute, points } = found;
  if (!found.ready) say("bad", "Not following its log");
  const tiles = [
    ["Events", `${brief(minute.events_per_s)}/s`, "stored, last minute"],
    ["Requests", `${brief(minute.requests_per_s)}/s`, `${brief(minute.slates_per_s)} slates/s`],
    ["95\u00a0% answered in", milliseconds(minute.answers.p95_ms), `half within ${milliseconds(minute.answers.p50_ms)}`],
    ["95\u00a0% seen in", milliseconds(minute.freshness.p95_ms), `half within ${milliseconds(minute.freshness.p50_ms)}`],
    ["Behind", sizes.behind === null ? "–" : whole(sizes.behind), sizes.behind ? "entries not seen yet" : "every entry is seen"],
    ["Errors", `${brief(minute.errors_per_s)}/s`, errors(found.answers)],
  ];
  parts.tiles.replaceChildren(
    ...tiles.map(([name, value, more]) => make("div", { class: "tile card" }, make("dt", {}, name), make("dd", {}, make("span", { class: "value" }, value), make("span", { class: "more" }, more)))),
  );
  for (const { update } of Object.values(parts.charts)) update(points);
  const outcomes = Object.entries(found.events).map(([name, n]) => [`Events ${name}`, whole(n)]);
  parts.told.replaceChildren(
    facts("What is known", [
      ["Users", whole(sizes.users)],
      ["Items", whole(sizes.items)],
      ["Co-watch edges", sizes.edges === null ? "no such graph" : whole(sizes.edges)],
      ["Newest log entry", whole(sizes.seq)],
    ]),
    facts("What runs", [
      ["Bundle", found.model.name],
      ["Finds candidates", found.model.sources.join(", ")],
      ["Ranks them", found.model.ranker ?? "as they were found"],
      ["Up for", uptime(found.uptime_s)],
      ["Processes", whole(found.workers)],
    ]),
    facts("Since the start", [
      ...(outcomes.length ? outcomes : [["Events told", "0"]]),
      ["Entries skipped", whole(sizes.skipped)],
      ...Object.entries(found.answers).map(([name, n]) => [`Answers ${name}`, whole(n)]),
    ]),
  );
  if (found.failure) parts.problem.replaceChildren(trouble({ message: found.failure }));
}

function errors(answers) {
  const [refused, failed] = [answers["4xx"] ?? 0, answers["5xx"] ?? 0];
  return refused + failed ? `${whole(refused)} refused, ${whole(failed)} failed` : "none so far";
}

function facts(title, rows) {
  return make("section", { class: "facts card" }, make("h3", {}, title), make("dl", {}, ...rows.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value)))));
}

function uptime(seconds) {
  if (seconds < 90) return plural(Math.round(seconds), "second");
  if (seconds < 5400) return plural(Math.round(seconds / 60), "minute");
  if (seconds < 129600) return plural(Math.round(seconds / 3600), "hour");
  return plural(Math.round(seconds / 86400), "day");
}

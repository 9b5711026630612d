// How much of the catalogue is shown, how evenly, and how often items are watched.

import { ask } from "/page/api.js";
import { niceAbove, plot } from "/page/charts.js";
import { later, make, percent, plural, trouble, whole } from "/page/dom.js";

const PERIOD_MS = 10000;
let parts = null;
let found = null;
let timer = 0;

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
  const problem = make("div");
  const lorenz = make("div", { class: "plot-room" });
  const popular = make("div", { class: "plot-room" });
  const words = make("p", { class: "hint" });
  panel.replaceChildren(
    make("div", { class: "view-head" }, make("h2", {}, "Coverage"), make("p", {}, "What the last slates of this process showed, beside what people watch.")),
    problem,
    tiles,
    make(
      "div",
      { class: "plots" },
      make("figure", { class: "card" }, make("figcaption", {}, make("span", { class: "chart-title" }, "Share of all places")), lorenz, make("p", { class: "legend" }, make("span", { class: "key first" }, "shown"), make("span", { class: "key even" }, "if all were shown alike")), words),
      make("figure", { class: "card" }, make("figcaption", {}, make("span", { class: "chart-title" }, "Popularity by rank")), popular, make("p", { class: "legend" }, make("span", { class: "key first" }, "watched"), make("span", { class: "key second" }, "shown")), make("p", { class: "hint" }, "A straight line down is a power law: few items have most of the watches.")),
    ),
  );
  new ResizeObserver(later(60, () => found && !panel.hidden && render())).observe(lorenz);
  return { tiles, problem, lorenz, popular, words };
}

async function look() {
  try {
    found = await ask("/v1/admin/coverage");
    parts.problem.replaceChildren();
    render();
  } catch (error) {
    parts.problem.replaceChildren(trouble(error));
  }
  clearTimeout(timer);
  if (!parts.tiles.closest("[hidden]")) timer = setTimeout(look, PERIOD_MS);
}

function render() {
  const tiles = [
    ["Catalogue shown", found.n_slates ? percent(found.coverage) : "–", `${whole(found.n_shown)} of ${plural(found.n_items, "item")}`],
    ["Gini of places", found.gini === null ? "–" : found.gini.toFixed(3), "0: all alike, 1: one item has all"],
    ["Slates looked at", whole(found.n_slates), `${plural(found.n_places, "place")} in all`],
    ["Ever watched", percent(found.n_watched / Math.max(found.n_items, 1)), `${whole(found.n_watched)} of ${plural(found.n_items, "item")}`],
  ];
  parts.tiles.replaceChildren(
    ...tiles.map(([name, value, more]) => make("div", { class: "tile card" }, make("dt", {}, name), make("dd", {}, make("span", { class: "value" }, value), make("span", { class: "more" }, more)))),
  );
  const width = Math.max(250, parts.lorenz.clientWidth);
  const share = { from: 0, to: 1, format: percent };
  const curve = found.lorenz.map((held, place) => [place / (found.lorenz.length - 1), held]);
  const half = found.lorenz.length ? found.lorenz[(found.lorenz.length - 1) / 2] : null;
  parts.words.textContent = half === null ? "No slate was made yet." : `The less shown half of the catalogue has ${percent(half)} of the places.`;
  parts.lorenz.replaceChildren(plot({
    width,
    x: { ...share, label: "items, least shown first" },
    y: { ...share, label: "share of places" },
    lines: [{ kind: "even", points: [[0, 0], [1, 1]] }, { kind: "first", points: curve }],
    label: `Lorenz curve. ${parts.words.textContent}`,
  }));
  parts.popular.replaceChildren(ranks(width));
}

function ranks(width) {
  const [watched, shown] = [found.watched_by_rank, found.shown_by_rank].map((list) => list.map(({ rank, n }) => [rank, n]));
  const all = [...watched, ...shown];
  const [far, high] = [0, 1].map((axis) => Math.max(10, ...all.map((point) => point[axis])));
  const words = watched.length ? `the most watched item has ${plural(watched[0][1], "watch", "watches")}` : "nothing was watched yet";
  return plot({
    width,
    x: { from: 1, to: niceAbove(far), log: true, format: whole, label: "rank" },
    y: { from: 1, to: niceAbove(high), log: true, format: whole, label: "times" },
    lines: [{ kind: "second", points: shown }, { kind: "first", points: watched }],
    label: `Popularity by rank, both axes logarithmic: ${words}`,
  });
}

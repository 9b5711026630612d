// What is watched after an item: the live co-watch graph around it, drawn and as a table.

import { ask, offers, pathOf } from "/page/api.js";
import { age, brief, cutMiddle, draw, later, make, percent, plural, trouble, whole } from "/page/dom.js";
import { shadeOf, widthOf, placesOf } from "/page/layout.js";

let parts = null;
let item = null;
let found = null;

export function show(panel, about) {
  parts ??= build(panel);
  if (about !== null && about !== item) centre(about);
  else if (item === null) begin();
  else render();
}

function build(panel) {
  const field = make("input", { id: "item-field", list: "item-names", autocomplete: "off", spellcheck: "false", placeholder: "An item's id" });
  const names = make("datalist", { id: "item-names" });
  const many = make("input", { id: "many", type: "range", min: 4, max: 40, step: 2, value: 16 });
  const manyWords = make("output", { for: "many" }, "16");
  const form = make(
    "form",
    { class: "card toolbar", onsubmit: (event) => { event.preventDefault(); if (field.value.trim()) go(field.value.trim()); } },
    make("div", { class: "grow" }, make("label", { for: "item-field" }, "Item"), make("div", { class: "row" }, field, make("button", { type: "submit" }, "Show")), names),
    make("div", { class: "slider" }, make("label", { for: "many" }, "Neighbours"), manyWords, many),
  );
  const title = make("h3", { id: "centre-title", tabindex: "-1" }, "No item yet");
  const room = make("div", { class: "graph-room" });
  const detail = make("p", { class: "graph-detail", role: "status", "aria-live": "polite" });
  const table = make("tbody");
  const problem = make("div");
  panel.replaceChildren(
    make("div", { class: "view-head" }, make("h2", {}, "Neighbourhood"), make("p", {}, "What people watch after an item, as the live co-watch graph knows it at this moment.")),
    form,
    problem,
    make(
      "section",
      { class: "card", "aria-labelledby": "centre-title" },
      title,
      room,
      detail,
      make(
        "p",
        { class: "legend" },
        make("span", { class: "pair" }, make("span", { class: "edge-key thin" }), make("span", { class: "edge-key thick" }), "wider: more often"),
        make("span", { class: "pair" }, make("span", { class: "edge-key old" }), make("span", { class: "edge-key young" }), "stronger: more lately"),
      ),
    ),
    make(
      "details",
      { class: "card", open: true },
      make("summary", {}, "The same as a table"),
      make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Neighbours as a table" }, make("table", {}, make("thead", {}, make("tr", {}, ...["Item", "Weight", "Share", "Last pair, ago", "Watched"].map((name, place) => make("th", { scope: "col", class: place ? "number" : null }, name)))), table)),
    ),
  );
  many.addEventListener("input", () => { manyWords.textContent = many.value; });
  many.addEventListener("input", later(150, () => item !== null && fetchAndShow()));
  field.addEventListener("input", later(200, () => suggest(field.value.trim(), names)));
  new ResizeObserver(later(60, () => found && !panel.hidden && render())).observe(room);
  return { field, many, title, room, detail, table, problem };
}

async function suggest(q, names) {
  if (!q || !(await offers()).search) return;
  try {
    const { items } = await ask("/v1/search", { q, k: 10 });
    names.replaceChildren(...items.map(({ item_id, title }) => make("option", { value: item_id }, title)));
  } catch {
    // Names are a help; an id can be typed without.
  }
}

/** Without an item, begin with what newcomers get. */
async function begin() {
  try {
    const { items } = await ask("/v1/recommendations", { k: 1 });
    if (item === null && items.length) centre(items[0].item_id);
  } catch (error) {
    parts.problem.replaceChildren(trouble(error));
  }
}

function go(id) {
  location.hash = `neighbours=${encodeURIComponent(id)}`;
  if (id === item) fetchAndShow();
}

function centre(id) {
  item = String(id);
  parts.field.value = item;
  fetchAndShow();
}

async function fetchAndShow() {
  const about = item;
  try {
    const answer = await ask(pathOf("items", about, "neighbours"), { k: parts.many.value });
    if (about !== item) return;
    found = answer;
    parts.problem.replaceChildren();
    render();
  } catch (error) {
    if (about === item) parts.problem.replaceChildren(trouble(error));
  }
}

function render() {
  const { item: centred, neighbours, n_edges: edges } = found;
  parts.title.textContent = centred.title;
  const hidden = edges - neighbours.length;
  parts.detail.textContent = neighbours.length
    ? `Watched ${plural(centred.n_events, "time")}; ${plural(edges, "edge")} leave it${hidden > 0 ? `, the ${neighbours.length} heaviest are shown` : ""}.`
    : "Nobody watched anything after it so far.";
  const hadFocus = parts.room.contains(document.activeElement);
  parts.room.replaceChildren(picture());
  if (hadFocus) parts.title.focus();
  parts.table.replaceChildren(
    ...neighbours.map((one) => make(
      "tr",
      {},
      make("th", { scope: "row" }, make("button", { type: "button", class: "link", "aria-label": `Centre ${one.title}`, onclick: () => go(one.item_id) }, one.title)),
      make("td", { class: "number" }, brief(one.weight)),
      make("td", { class: "number" }, percent(one.share)),
      make("td", { class: "number" }, age(one.age_days)),
      make("td", { class: "number" }, whole(one.n_events)),
    )),
  );
}

function picture() {
  const { neighbours, links } = found;
  const width = Math.max(280, parts.room.clientWidth);
  const height = Math.round(Math.min(600, Math.max(400, width * 0.6)));
  const { middle, places } = placesOf(neighbours.length, width, height);
  const most = Math.max(...neighbours.map(({ weight }) => weight), 0);
  const oldest = Math.max(...neighbours.map(({ age_days: days }) => days ?? 0), 0);
  const busiest = Math.max(...neighbours.map(({ n_events: n }) => n), 1);
  const svg = draw("svg", { class: "graph", width, height, viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": `Neighbours of ${found.item.title}; the table below holds the same` });
  const linkMost = Math.max(...links.map(({ weight }) => weight), 0);
  for (const { source, target, weight } of links) {
    if (weight < 0.25 * linkMost) continue;
    const [a, b] = [places[source], places[target]];
    svg.append(draw("path", { class: "link-edge", d: `M${a.x} ${a.y}Q${(a.x + b.x + middle.x) / 3} ${(a.y + b.y + middle.y) / 3} ${b.x} ${b.y}`, "stroke-width": widthOf(weight, linkMost, 0.5, 2) }));
  }
  neighbours.forEach(({ weight, age_days: days }, place) => {
    const { x, y } = places[place];
    svg.append(draw("line", { class: "edge", x1: middle.x, y1: middle.y, x2: x, y2: y, "stroke-width": widthOf(weight, most, 1.2, 9), "stroke-opacity": shadeOf(days, oldest) }));
  });
  svg.append(draw("circle", { class: "centre", cx: middle.x, cy: middle.y, r: 15 }));
  neighbours.forEach((one, place) => svg.append(node(one, places[place], Math.sqrt(one.n_events / busiest))));
  return svg;
}

function node(one, { x, y, label }, size) {
  const words = `${one.title}: weight ${brief(one.weight)}, ${percent(one.share)} of all; last pair ${age(one.age_days)}${one.age_days === null ? "" : " ago"}; watched ${plural(one.n_events, "time")}`;
  const tell = () => { parts.detail.textContent = words; };
  return draw(
    "g",
    {
      class: "node", transform: `translate(${x} ${y})`, tabindex: "0", role: "button", "aria-label": `${words}. Centre it`,
      onmouseenter: tell, onfocus: tell,
      onclick: () => go(one.item_id),
      onkeydown: (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); go(one.item_id); } },
    },
    draw("title", {}, words),
    draw("circle", { class: "touch", r: 17 }),
    draw("circle", { r: (5 + 6 * size).toFixed(1) }),
    label ? draw("text", { y: label.y, x: label.x, "text-anchor": label.anchor }, cutMiddle(one.title, label.most)) : null,
  );
}

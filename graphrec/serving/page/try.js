// Be a user: see a history and a slate, watch something, and see the slate change.

import { ask, offers, pathOf, tell } from "/page/api.js";
import { brief, later, make, milliseconds, percent, trouble } from "/page/dom.js";
import { changesBetween, changeWords } from "/page/changes.js";

const PLACES = 10;
const PATIENCE_MS = 5000;
let parts = null;
let user = "";
let slate = null;
let asked = 0;

export function show(panel) {
  if (parts === null) {
    parts = build(panel);
    prepare();
  }
}

function build(panel) {
  const names = make("datalist", { id: "user-names" });
  const field = make("input", { id: "user-field", list: "user-names", autocomplete: "off", spellcheck: "false", placeholder: "An id, known or new" });
  const form = make(
    "form",
    { class: "card stack", onsubmit: (event) => { event.preventDefault(); become(field.value.trim()); } },
    make("label", { for: "user-field" }, "User"),
    make("div", { class: "row" }, field, make("button", { type: "submit" }, "Show")),
    names,
    make("button", { type: "button", class: "quiet", onclick: () => become(`visitor-${crypto.getRandomValues(new Uint32Array(1))[0].toString(36)}`, true) }, "Be a new visitor"),
  );
  const options = make("div", { class: "card stack", hidden: true }, make("h3", {}, "What the slate is for"));
  const search = make("div", { class: "card stack", hidden: true });
  const history = make("ol", { class: "history" });
  const list = make("ol", { class: "slate", "aria-label": "Slate" });
  const said = make("p", { class: "said", role: "status", "aria-live": "polite" });
  const gone = make("p", { class: "gone", hidden: true });
  const title = make("h3", { id: "slate-title" }, "Slate");
  panel.replaceChildren(
    make("div", { class: "view-head" }, make("h2", {}, "Try it"), make("p", {}, "Choose a user, watch something, and see what the next slate makes of it.")),
    make(
      "div",
      { class: "columns" },
      make("div", { class: "stack controls" }, form, options, search),
      make("section", { class: "card past", "aria-labelledby": "history-title" }, make("h3", { id: "history-title" }, "Watched, newest first"), history),
      make("section", { class: "card next", "aria-labelledby": "slate-title" }, make("div", { class: "slate-head" }, title, said), list, gone),
    ),
  );
  field.addEventListener("input", later(150, () => suggest(field.value.trim())));
  return { field, names, options, search, history, list, said, gone, title };
}

async function prepare() {
  const found = await offers();
  if (found.users) await suggest("");
  if (found.search) buildSearch();
  await buildOptions(found.parameters);
  await become(parts.names.firstElementChild?.value ?? "");
}

async function suggest(prefix) {
  if (!(await offers()).users) return;
  try {
    const { users } = await ask("/v1/users", { prefix, k: 20 });
    parts.names.replaceChildren(...users.map((id) => make("option", { value: id })));
  } catch {
    // Names are a help; an id can be typed without.
  }
}

function buildSearch() {
  const field = make("input", { id: "search-field", type: "search", autocomplete: "off" });
  const results = make("ul", { class: "results", "aria-label": "Items found" });
  const said = make("p", { class: "hint", role: "status", "aria-live": "polite" });
  field.addEventListener("input", later(200, async () => {
    const q = field.value.trim();
    if (!q) {
      results.replaceChildren();
      said.textContent = "";
      return;
    }
    try {
      const { items } = await ask("/v1/search", { q, k: 8 });
      results.replaceChildren(...items.map((item) => make("li", {}, watchButton(item), make("span", { class: "reason" }, (item.publishers ?? []).join(", ")))));
      said.textContent = items.length ? "" : "Nothing found.";
    } catch (error) {
      said.textContent = error.message;
    }
  }));
  parts.search.replaceChildren(make("label", { for: "search-field" }, "Find something to watch"), field, said, results);
  parts.search.hidden = false;
}

/** Sliders for what slates can be told: diversity, and one for each objective. */
async function buildOptions(parameters) {
  const sliders = [];
  if (parameters.has("diversity")) sliders.push(slider("diversity", "Diversity", { to: 1, value: 0, words: "as it is" }));
  if (parameters.has("objective")) {
    const { objectives = {} } = await ask("/v1/admin/status", {}, { quiet: true }).catch(() => ({}));
    for (const [name, value] of Object.entries(objectives)) {
      const words = name.charAt(0).toUpperCase() + name.slice(1);
      sliders.push(slider(`objective ${name}`, words, { to: Math.max(2, 2 * value), value, words: brief(value) }));
    }
  }
  parts.options.append(...sliders);
  parts.options.hidden = sliders.length === 0;
}

function slider(name, words, { to, value, words: atFirst }) {
  const id = `slider-${name.replaceAll(/\W/g, "-")}`;
  const output = make("output", { for: id }, atFirst);
  const input = make("input", { id, type: "range", min: 0, max: to, step: 0.1, value, "data-name": name });
  input.addEventListener("input", () => {
    input.dataset.moved = "yes";
    output.textContent = brief(Number(input.value));
  });
  input.addEventListener("input", later(200, () => renew("")));
  return make("div", { class: "slider" }, make("label", { for: id }, words), output, input);
}

function parameters() {
  const found = { k: PLACES, objective: [] };
  for (const { dataset, value } of parts.options.querySelectorAll("input[data-moved]")) {
    const [kind, name] = dataset.name.split(" ");
    if (name) found.objective.push(`${name}:${value}`);
    else found[kind] = value;
  }
  return found;
}

function askSlate() {
  return user ? ask(pathOf("users", user, "recommendations"), parameters()) : ask("/v1/recommendations", parameters());
}

/** Show a user; one who `isNew` has no history to ask for. */
async function become(id, isNew = false) {
  user = id;
  slate = null;
  parts.field.value = id;
  parts.title.textContent = id ? `Slate of ${id}` : "Slate of a newcomer";
  parts.gone.hidden = true;
  parts.list.replaceChildren(make("li", { class: "plain hint" }, "Asking …"));
  await Promise.all([renew(""), showHistory(isNew)]);
}

/** Fetch the slate again; what changed is told in words that `before` begins. */
async function renew(before) {
  const turn = ++asked;
  try {
    const found = await askSlate();
    if (turn === asked) render(found, before);
  } catch (error) {
    if (turn === asked) parts.list.replaceChildren(make("li", { class: "plain" }, trouble(error)));
  }
}

async function showHistory(isNew = false) {
  const of = user;
  let rows = [];
  let words = "Nothing yet.";
  try {
    if (user && !isNew) rows = (await ask(pathOf("users", user, "history"), { limit: 12 })).items;
  } catch (error) {
    if (error.status !== 404) words = error.message;
  }
  if (of !== user) return;
  const seen = rows.length ? rows : null;
  parts.history.replaceChildren(...(seen?.map(({ title }) => make("li", {}, title)) ?? [make("li", { class: "plain hint" }, words)]));
}

function watchButton(item) {
  return make("button", { type: "button", class: "item-title", "aria-label": `Watch ${item.title}`, onclick: () => watch(item) }, item.title);
}

/** Tell the server that the user watched an item, and wait for a slate that knows of it. */
async function watch(item) {
  if (!user) {
    parts.said.textContent = "Choose a user first, or be a new visitor.";
    parts.field.focus();
    return;
  }
  const who = user;
  parts.list.setAttribute("aria-busy", "true");
  parts.said.textContent = `Telling that ${who} watched ${item.title} …`;
  try {
    const started = performance.now();
    const { seq } = await tell("/v1/events", { event_id: crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`, event_type: "watch", user_id: who, item_id: item.item_id });
    const stored = performance.now();
    const found = await slateThatKnows(seq);
    if (who !== user) return;
    const seen = performance.now();
    asked += 1;
    render(found, `Stored in ${milliseconds(Math.round(stored - started))}; the slate knew ${milliseconds(Math.round(seen - stored))} later. `);
    showHistory();
  } catch (error) {
    parts.said.textContent = error.message;
  } finally {
    parts.list.removeAttribute("aria-busy");
  }
}

async function slateThatKnows(seq) {
  const until = performance.now() + PATIENCE_MS;
  for (let pause = 10; ; pause = Math.min(2 * pause, 200)) {
    const found = await askSlate();
    if (found.seq >= seq || performance.now() > until) return found;
    await new Promise((done) => setTimeout(done, pause));
  }
}

function render(found, before) {
  const changes = changesBetween(slate?.items ?? null, found.items);
  // Who works with the keyboard stays at the place where they were.
  const focused = [...parts.list.children].findIndex((row) => row.contains(document.activeElement));
  parts.list.replaceChildren(...found.items.map((item, place) => row(item, changes.moves[place])));
  if (focused >= 0) parts.list.children[Math.min(focused, parts.list.children.length - 1)]?.querySelector("button")?.focus();
  if (!found.items.length) parts.list.replaceChildren(make("li", { class: "plain hint" }, "No item can be shown."));
  parts.gone.hidden = changes.gone.length === 0;
  parts.gone.textContent = changes.gone.length ? `Left the slate: ${changes.gone.map(({ title }) => title).join(", ")}` : "";
  parts.said.textContent = slate === null ? "" : before + changeWords(changes);
  slate = found;
}

function row(item, move) {
  const because = item.reasons.find(({ kind }) => kind === "item") ?? item.reasons[0];
  const reason = because ? reasonWords(because) : "what people like who are new here";
  return make(
    "li",
    { class: move ? `changed ${move.kind}` : null, "data-item": item.item_id },
    make(
      "div",
      { class: "item" },
      make("div", { class: "item-head" }, watchButton(item), move ? make("span", { class: `move ${move.kind}` }, make("span", { "aria-hidden": "true" }, move.sign), make("span", { class: "unseen" }, move.words)) : null),
      make("span", { class: "reason" }, reason),
    ),
    make(
      "div",
      { class: "item-more" },
      ...item.found_by.map((name) => make("span", { class: "badge" }, name)),
      make("a", { class: "explore", href: `#neighbours=${encodeURIComponent(item.item_id)}`, "aria-label": `Neighbourhood of ${item.title}` }, "neighbours"),
    ),
  );
}

function reasonWords({ kind, name, share }) {
  const part = share === null || share === undefined ? "" : ` (${percent(share)})`;
  return kind === "item" ? `because you watched ${name}${part}` : `because of the ${kind} ${name}${part}`;
}

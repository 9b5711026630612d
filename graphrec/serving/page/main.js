// Tabs, theme and key; each view is a module that knows how to show itself.

import { key, useKey } from "/page/api.js";
import * as coverage from "/page/coverage.js";
import * as neighbours from "/page/neighbours.js";
import * as overview from "/page/overview.js";
import * as trying from "/page/try.js";

const VIEWS = { overview, try: trying, neighbours, coverage };
const byId = (id) => document.getElementById(id);
const names = Object.keys(VIEWS);
const tabs = names.map((name) => byId(`tab-${name}`));
let shown = null;

function show(name, about = null) {
  for (const tab of tabs) {
    const isIt = tab.id === `tab-${name}`;
    tab.setAttribute("aria-selected", String(isIt));
    tab.tabIndex = isIt ? 0 : -1;
    byId(tab.getAttribute("aria-controls")).hidden = !isIt;
  }
  if (shown && shown !== name) {
    VIEWS[shown].hide?.();
    scrollTo(0, 0);
  }
  shown = name;
  document.title = `${byId(`tab-${name}`).textContent} · graphrec`;
  VIEWS[name].show(byId(`view-${name}`), about);
}

/** What the address says: `#neighbours=item` shows that view about that item. */
function follow() {
  const [, name, about] = /^#([^=]*)(?:=(.*))?$/s.exec(location.hash) ?? [];
  if (names.includes(name)) show(name, about === undefined ? null : plain(about));
  else if (shown === null) show("overview");
}

function plain(quoted) {
  try {
    return decodeURIComponent(quoted);
  } catch {
    return quoted;
  }
}

function open(name) {
  if (location.hash === `#${name}`) show(name);
  else location.hash = name;
}

tabs.forEach((tab, place) => {
  tab.addEventListener("click", () => open(names[place]));
  tab.addEventListener("keydown", (event) => {
    const last = tabs.length - 1;
    const next = { ArrowRight: place === last ? 0 : place + 1, ArrowLeft: place === 0 ? last : place - 1, Home: 0, End: last }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    tabs[next].focus();
    open(names[next]);
  });
});
addEventListener("hashchange", follow);

function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function nameTheme() {
  byId("theme-button").textContent = isDark() ? "Light theme" : "Dark theme";
}

byId("theme-button").addEventListener("click", () => {
  const chosen = isDark() ? "light" : "dark";
  document.documentElement.dataset.theme = chosen;
  try {
    localStorage.setItem("graphrec-theme", chosen);
  } catch {
    // Without storage the choice lasts as long as the page.
  }
  nameTheme();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", nameTheme);
nameTheme();

const dialog = byId("key-dialog");

function askForKey() {
  byId("key-field").value = key();
  dialog.showModal();
  byId("key-field").focus();
}

function takeKey(value) {
  useKey(value);
  byId("key-banner").hidden = true;
  dialog.close();
  VIEWS[shown].show(byId(`view-${shown}`), null);
}

byId("key-button").addEventListener("click", askForKey);
byId("key-banner-button").addEventListener("click", askForKey);
byId("key-cancel").addEventListener("click", () => dialog.close());
byId("key-forget").addEventListener("click", () => takeKey(""));
byId("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  takeKey(byId("key-field").value.trim());
});
document.addEventListener("needs-key", ({ detail }) => {
  byId("key-banner-words").textContent =
    detail === 403
      ? "The key does not reach so far: overview and coverage need the scope admin, clicks the scope write."
      : key()
        ? "The server does not know this key."
        : "This server asks for an API key.";
  byId("key-banner").hidden = false;
});
document.addEventListener("server-state", ({ detail }) => {
  byId("state").dataset.state = detail.state;
  byId("state-words").textContent = detail.words;
});

follow();

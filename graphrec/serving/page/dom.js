// Elements out of plain values. Text goes in as text, never as markup.

const SVG = "http://www.w3.org/2000/svg";

/** An HTML element: attributes, `on…` listeners, `class`; children are nodes or text. */
export function make(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** An SVG element. */
export function draw(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** A word for a number of things. */
export function plural(n, one, many = `${one}s`) {
  return `${whole(n)} ${n === 1 ? one : many}`;
}

/** A whole number with its thousands apart. */
export function whole(n) {
  return Math.round(n).toLocaleString("en");
}

/** A number with as many digits as are worth reading. */
export function brief(n) {
  if (n === null || n === undefined) return "–";
  const size = Math.abs(n);
  if (size >= 100 || Number.isInteger(n)) return whole(n);
  return n.toLocaleString("en", { maximumFractionDigits: size >= 10 ? 1 : size >= 0.1 ? 2 : 3 });
}

/** Milliseconds as a person reads them. */
export function milliseconds(ms) {
  if (ms === null || ms === undefined) return "–";
  return ms >= 1000 ? `${brief(ms / 1000)}\u00a0s` : `${brief(ms)}\u00a0ms`;
}

/** A share of 1 in percent. */
export function percent(share) {
  const of100 = 100 * share;
  return `${of100 > 0 && of100 < 9.95 ? of100.toFixed(1) : of100.toFixed(0)}\u00a0%`;
}

/** Days as a person reads them. */
export function age(days) {
  if (days === null || days === undefined) return "not known";
  if (days < 1 / 1440) return "< 1 min";
  if (days < 1 / 24) return `${Math.round(days * 1440)} min`;
  if (days < 1) return `${Math.round(days * 24)} h`;
  return plural(days < 10 ? Math.round(days * 10) / 10 : Math.round(days), "day");
}

/** A text cut in its middle: titles of a series differ at their ends. */
export function cutMiddle(text, most) {
  if (text.length <= most) return text;
  const tail = Math.floor((most - 1) * 0.4);
  return `${text.slice(0, most - 1 - tail).trimEnd()}…${text.slice(-tail).trimStart()}`;
}

/** A box that says why something cannot be shown. */
export function trouble(error) {
  return make("p", { class: "trouble", role: "status" }, error.message);
}

/** Call `then` when nothing has happened for a moment. */
export function later(ms, then) {
  let timer = 0;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => then(...values), ms);
  };
}

// Charts as SVG: small ones over time, and plots with axes. Sizes are CSS pixels.

import { brief, draw, make } from "/page/dom.js";

const HEIGHT = 96;

/**
 * A chart over time that is drawn again by `update`.
 *
 * `lines` are `{name, kind, of}`: `of` takes a point to a number, or null where there is none.
 */
export function timeChart({ title, unit, lines, format = brief }) {
  const figure = make("figure", { class: "chart card" });
  const now = make("span", { class: "chart-now" }, "–");
  const top = make("span", { class: "chart-top", "aria-hidden": "true" });
  const from = make("span", {}, "");
  const paths = lines.map((line) => draw("path", { class: `line ${line.kind}` }));
  const area = draw("path", { class: "area" });
  const svg = draw("svg", { viewBox: `0 0 300 ${HEIGHT}`, preserveAspectRatio: "none", role: "img" }, grid(), area, ...paths);
  const legend = lines.length > 1 ? make("span", { class: "legend" }, ...lines.map(({ name, kind }) => make("span", { class: `key ${kind}` }, name))) : null;
  figure.append(
    make("figcaption", {}, make("span", { class: "chart-title" }, title), now),
    make("div", { class: "chart-room" }, top, svg),
    make("div", { class: "chart-foot" }, from, legend, make("span", {}, "now")),
  );

  function update(points) {
    const span = Math.max(60, points[0]?.ago_s ?? 60);
    const values = lines.map(({ of }) => points.map(of));
    const most = Math.max(...values.flat().filter((value) => value !== null), 0);
    const ceiling = niceAbove(most);
    const at = (point, value) => `${(300 * (1 - point.ago_s / span)).toFixed(1)} ${(HEIGHT - 2 - (HEIGHT - 8) * (value / ceiling)).toFixed(1)}`;
    lines.forEach((_, index) => paths[index].setAttribute("d", trace(points, values[index], at)));
    area.setAttribute("d", under(points, values[0], at));
    const last = values[0].findLast((value) => value !== null);
    now.textContent = last === undefined ? "–" : format(last);
    top.textContent = most > 0 ? format(ceiling) : "";
    from.textContent = span > 90 ? `${Math.round(span / 60)} min ago` : `${Math.round(span)} s ago`;
    const words = last === undefined ? "nothing yet" : `now ${format(last)}, at most ${format(most)}`;
    svg.setAttribute("aria-label", `${title}${unit ? `, ${unit}` : ""}: ${words}`);
  }

  update([]);
  return { figure, update };
}

function grid() {
  return draw("path", { class: "grid", d: `M0 6H300M0 ${HEIGHT / 2 + 2}H300M0 ${HEIGHT - 2}H300` });
}

/** Strokes from each value to the next; a lone one is a dash. */
function trace(points, values, at) {
  let path = "";
  values.forEach((value, index) => {
    if (value === null) return;
    const here = at(points[index], value);
    const follows = index > 0 && values[index - 1] !== null;
    path += follows ? `L${here}` : `M${here}`;
    if (!follows && (index + 1 === values.length || values[index + 1] === null)) path += "h1.5";
  });
  return path;
}

function under(points, values, at) {
  if (values.length < 2 || values.some((value) => value === null)) return "";
  const line = values.map((value, index) => at(points[index], value)).join("L");
  return `M${at(points[0], 0)}L${line}L${at(points.at(-1), 0)}Z`;
}

/** The next of 1, 2, 5, 10, … above a number. */
export function niceAbove(value) {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return power * [1, 2, 5, 10].find((step) => step * power >= value * 0.999);
}

/**
 * A plot with axes.
 *
 * `x` and `y` are `{label, from, to, log, format}`; `lines` are `{kind, points: [[x, y]]}`.
 */
export function plot({ width, height = 300, x, y, lines, label }) {
  const room = { left: 66, right: 26, top: 14, bottom: 46 };
  const inside = { width: width - room.left - room.right, height: height - room.top - room.bottom };
  const toX = (value) => room.left + inside.width * place(x, value);
  const toY = (value) => room.top + inside.height * (1 - place(y, value));
  const svg = draw("svg", { class: "plot", width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
  for (const tick of ticks(x, width < 420 ? 4 : 8)) {
    svg.append(
      draw("path", { class: "grid", d: `M${toX(tick)} ${room.top}V${room.top + inside.height}` }),
      draw("text", { class: "tick", x: toX(tick), y: height - 27, "text-anchor": "middle" }, x.format(tick)),
    );
  }
  for (const tick of ticks(y, 5)) {
    svg.append(
      draw("path", { class: "grid", d: `M${room.left} ${toY(tick)}H${room.left + inside.width}` }),
      draw("text", { class: "tick", x: room.left - 8, y: toY(tick) + 4, "text-anchor": "end" }, y.format(tick)),
    );
  }
  for (const { kind, points } of lines) {
    const path = points.map(([a, b]) => `${toX(a).toFixed(1)} ${toY(b).toFixed(1)}`).join("L");
    svg.append(draw("path", { class: `line ${kind}`, d: path ? `M${path}` : "" }));
  }
  svg.append(
    draw("text", { class: "axis", x: room.left + inside.width / 2, y: height - 6, "text-anchor": "middle" }, x.label),
    draw("text", { class: "axis", x: -(room.top + inside.height / 2), y: 12, transform: "rotate(-90)", "text-anchor": "middle" }, y.label),
  );
  return svg;
}

function place({ from, to, log }, value) {
  if (log) return (Math.log(value) - Math.log(from)) / (Math.log(to) - Math.log(from));
  return (value - from) / (to - from);
}

function ticks({ from, to, log }, most) {
  if (!log) return Array.from({ length: 5 }, (_, index) => from + ((to - from) * index) / 4);
  const found = [];
  for (let power = Math.ceil(Math.log10(from)); 10 ** power <= to * 1.001; power += 1) found.push(10 ** power);
  const step = Math.ceil(found.length / most);
  return found.filter((_, index) => index % step === 0);
}

// Where the nodes of a neighbourhood stand: the same numbers always give the same picture.

const GOLDEN = Math.PI * (3 - Math.sqrt(5));
const LETTER = 6.8;

/**
 * Places around a middle, the heaviest nearest, turned by the golden angle so that no two of like
 * weight stand side by side; then pushed apart where they would touch.
 */
export function placesOf(n, width, height) {
  const middle = { x: Math.round(width / 2), y: Math.round(height / 2) };
  const reach = { x: width / 2 - Math.min(90, width * 0.12), y: height / 2 - 34 };
  const places = Array.from({ length: n }, (_, place) => {
    const far = 0.36 + 0.64 * Math.sqrt((place + 0.5) / Math.max(n, 1));
    const turn = place * GOLDEN - Math.PI / 2;
    return { x: middle.x + reach.x * far * Math.cos(turn), y: middle.y + reach.y * far * Math.sin(turn) };
  });
  pushApart(places, middle, reach);
  for (const one of places) {
    one.x = Math.round(one.x);
    one.y = Math.round(one.y);
  }
  label(places, width, middle);
  return { middle, places };
}

function pushApart(places, middle, reach) {
  const gap = { x: 46, y: 30 };
  for (let round = 0; round < 60; round += 1) {
    for (let i = 0; i < places.length; i += 1) {
      for (let j = i + 1; j < places.length; j += 1) {
        const [a, b] = [places[i], places[j]];
        const [dx, dy] = [(b.x - a.x) / gap.x, (b.y - a.y) / gap.y];
        const distance = Math.hypot(dx, dy) || 0.01;
        if (distance >= 1) continue;
        const by = (1 - distance) / 2 / distance / 2;
        a.x -= dx * gap.x * by;
        b.x += dx * gap.x * by;
        a.y -= dy * gap.y * by;
        b.y += dy * gap.y * by;
      }
    }
    for (const one of places) {
      one.x = Math.min(Math.max(one.x, middle.x - reach.x), middle.x + reach.x);
      one.y = Math.min(Math.max(one.y, middle.y - reach.y), middle.y + reach.y);
    }
  }
}

/** Labels below nodes, the heaviest first; who finds no free room has none. */
function label(places, width, middle) {
  const taken = places.map(({ x, y }) => box(x, y, 12, 12));
  taken.push(box(middle.x, middle.y, 20, 20));
  for (const one of places) {
    for (const most of [26, 20, 14]) {
      const half = (most * LETTER) / 2;
      const y = one.y > middle.y ? 25 : -16;
      // Near the border a label moves inwards.
      const x = Math.round(Math.min(Math.max(0, half + 2 - one.x), width) + Math.min(0, width - half - 2 - one.x));
      const wanted = box(one.x + x, one.y + y - 4, half, 8);
      if (taken.some((other) => overlap(wanted, other))) continue;
      one.label = { x, y, most, anchor: "middle" };
      taken.push(wanted);
      break;
    }
  }
}

function box(x, y, halfWidth, halfHeight) {
  return { left: x - halfWidth, right: x + halfWidth, top: y - halfHeight, bottom: y + halfHeight };
}

function overlap(a, b) {
  return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}

/** Width of an edge in pixels. */
export function widthOf(weight, most, thin, thick) {
  return most > 0 ? (thin + (thick - thin) * (weight / most)).toFixed(2) : thin;
}

/** Opacity of an edge: 1 where its newest pair is new, less the older it is. */
export function shadeOf(days, oldest) {
  if (days === null || days === undefined || oldest <= 0) return 0.8;
  // Minutes, days and months differ alike.
  return (1 - 0.75 * (Math.log1p(24 * days) / Math.log1p(24 * oldest))).toFixed(2);
}

// What is different between two slates.

/** For each place of the new slate how it got there, and which items are gone. */
export function changesBetween(before, after) {
  if (before === null) return { moves: after.map(() => null), gone: [] };
  const old = new Map(before.map(({ item_id }, place) => [item_id, place]));
  const now = new Set(after.map(({ item_id }) => item_id));
  const moves = after.map(({ item_id }, place) => {
    if (!old.has(item_id)) return { kind: "new", sign: "new", words: ", new" };
    const by = old.get(item_id) - place;
    if (by > 0) return { kind: "up", sign: `↑ ${by}`, words: `, up by ${by}` };
    if (by < 0) return { kind: "down", sign: `↓ ${-by}`, words: `, down by ${-by}` };
    return null;
  });
  return { moves, gone: before.filter(({ item_id }) => !now.has(item_id)) };
}

/** The same in a sentence. */
export function changeWords({ moves, gone }) {
  const count = (kind) => moves.filter((move) => move?.kind === kind).length;
  const parts = [[count("new"), "new"], [count("up"), "moved up"], [count("down"), "moved down"], [gone.length, "gone"]];
  const said = parts.filter(([n]) => n).map(([n, words]) => `${n} ${words}`);
  return said.length ? `${said.join(", ")}.` : "Nothing changed.";
}

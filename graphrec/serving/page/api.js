// The server's HTTP API, asked with the key that this tab knows.

const KEY = "graphrec-key";
const PATIENCE_MS = 10000;

/** An answer that says no, or none at all (`status` 0). */
export class Problem extends Error {
  constructor(status, words) {
    super(words);
    this.status = status;
  }
}

export function key() {
  return sessionStorage.getItem(KEY) ?? "";
}

export function useKey(value) {
  if (value) sessionStorage.setItem(KEY, value);
  else sessionStorage.removeItem(KEY);
}

/**
 * The JSON at a path. `parameters` may hold lists; what is empty is left out. With the option
 * `quiet` a missing key is no news: what is asked for is a help and no more.
 */
export async function ask(path, parameters = {}, options = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== null && one !== undefined && one !== "") query.append(name, String(one));
    }
  }
  const text = query.toString();
  return send(text ? `${path}?${text}` : path, options);
}

/** Send a JSON value. */
export async function tell(path, value) {
  return send(path, {
    method: "POST",
    body: JSON.stringify(value),
    headers: { "Content-Type": "application/json" },
  });
}

/** A path of an id, whatever letters that holds. */
export function pathOf(kind, id, door) {
  return `/v1/${kind}/${encodeURIComponent(id)}/${door}`;
}

async function send(url, { headers = {}, signal, quiet = false, ...options }) {
  const sent = key() ? { ...headers, "X-API-Key": key() } : headers;
  const patience = AbortSignal.timeout(PATIENCE_MS);
  let answer;
  try {
    answer = await fetch(url, {
      ...options,
      headers: sent,
      signal: signal ? AbortSignal.any([signal, patience]) : patience,
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    say("bad", "Out of reach");
    throw new Problem(0, "The server cannot be reached.");
  }
  say(answer.status < 500 ? "good" : "bad", answer.status < 500 ? "Live" : "Failing");
  if (answer.ok) return answer.json();
  const problem = await answer.json().catch(() => ({}));
  if (!quiet && (answer.status === 401 || answer.status === 403)) {
    document.dispatchEvent(new CustomEvent("needs-key", { detail: answer.status }));
  }
  throw new Problem(answer.status, problem.detail ?? `The server answered ${answer.status}.`);
}

/** Tell the page how the server is. */
export function say(state, words) {
  document.dispatchEvent(new CustomEvent("server-state", { detail: { state, words } }));
}

let described = null;

/** What the server offers: which doors, and which parameters slates take. */
export async function offers() {
  described ??= ask("/openapi.json");
  try {
    const { paths } = await described;
    const slate = paths["/v1/users/{user_id}/recommendations"]?.get?.parameters ?? [];
    return {
      users: Boolean(paths["/v1/users"]?.get),
      search: Boolean(paths["/v1/search"]?.get),
      parameters: new Map(slate.map((one) => [one.name, one])),
    };
  } catch {
    described = null;
    return { users: false, search: false, parameters: new Map() };
  }
}

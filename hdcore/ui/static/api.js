// Talking to the server: JSON, the packed curves, and the events of a sweep.

export class Refused extends Error {}

let { early } = window; // what early.js has asked for, to be taken once: {path, curves, source, heard, hear}

async function answer(path, { asked, ...options } = {}) {
  let response;
  try {
    response = await (asked ?? fetch(path, { credentials: "same-origin", ...options }));
  } catch {
    throw new Refused("the portal does not answer; is `hdcore ui` still running?");
  }
  if (response.ok) return response;
  let why = `${response.status} ${response.statusText}`;
  try {
    why = (await response.json()).error;
  } catch {
    // not JSON: a refusal of the gate
  }
  throw new Refused(response.status === 401 ? "open the address that `hdcore ui` printed" : why);
}

const part = encodeURIComponent;
export const sweepPath = (name) => `api/sweeps/${part(name)}`;
export const runPath = (name, number) => `${sweepPath(name)}/runs/${number}`;
export const filePath = (name, number, file) =>
  `${runPath(name, number)}/files/${file.split("/").map(part).join("/")}`;

export const getJson = async (path) => (await answer(path)).json();

export const post = async (path) =>
  (await answer(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: "{}" })).json();

// Part of a file: {data: ArrayBuffer, size: of the whole file}.
export async function getPart(path, offset, limit) {
  const response = await answer(`${path}?offset=${offset}&limit=${limit}`);
  return { data: await response.arrayBuffer(), size: Number(response.headers.get("X-Hdcore-Size")) };
}

const MOST_ASKED = 200; // runs by number in one address; for more than these all curves are fetched

// Curves of the primary metric: Map of run number -> {x, y} (Float32Array each; NaN: not finite), of all runs or of a Set
// of numbers.
export async function getCurves(name, points, numbers = null) {
  if (numbers?.size === 0) return new Map();
  const only = numbers === null || numbers.size > MOST_ASKED ? "" : `&runs=${[...numbers].join(",")}`;
  const asked = numbers === null && early?.path === sweepPath(name) ? early.curves : undefined;
  const buffer = await (await answer(`${sweepPath(name)}/curves?points=${points}${only}`, { asked })).arrayBuffer();
  const count = new Int32Array(buffer, 0, 1)[0];
  const table = new Int32Array(buffer, 4, 2 * count);
  const curves = new Map();
  const start = 4 + 8 * count;
  let total = 0;
  for (let i = 0; i < count; i += 1) total += table[2 * i + 1];
  let at = 0;
  for (let i = 0; i < count; i += 1) {
    const length = table[2 * i + 1];
    curves.set(table[2 * i], {
      x: new Float32Array(buffer, start + 4 * at, length),
      y: new Float32Array(buffer, start + 4 * (total + at), length),
    });
    at += length;
  }
  return curves;
}

// Follow a sweep. `on` has head(document), runs(list), gone(document), state("live" | "lost").
export function follow(name, on) {
  const begun = early?.path === sweepPath(name) ? early : null;
  if (!begun) early?.source.close();
  early = null;
  const source = begun?.source ?? new EventSource(`${sweepPath(name)}/events`);
  const hear = (event, message) => {
    if (event === "gone") source.close();
    on[event](JSON.parse(message.data));
  };
  if (begun) {
    begun.hear = hear;
    for (const [event, message] of begun.heard) hear(event, message);
  } else for (const event of ["head", "runs", "gone"]) source.addEventListener(event, (message) => hear(event, message));
  source.onopen = () => on.state("live");
  source.onerror = async () => {
    on.state("lost");
    if (source.readyState !== EventSource.CLOSED) return; // the browser tries again by itself
    try {
      await getJson(sweepPath(name));
    } catch (error) {
      on.gone({ error: error.message }); // refused: that will not change
    }
  };
  if (source.readyState === EventSource.CLOSED) source.onerror();
  return () => source.close();
}

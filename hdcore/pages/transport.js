// In a page of one file the portal's front end talks to this instead of a server: `fetch` and `EventSource` answer from
// the snapshot that the page holds, or that a notebook sends later.
"use strict";

(() => {
  const known = { answers: {}, curves: new Map(), packed: null };
  const sources = new Set();
  let [arrived, wait] = [null, null];
  wait = new Promise((resolve) => (arrived = resolve));

  // Unpacks a snapshot: the length of a JSON text (int32), the text, then the packed curves; all of it compressed.
  async function take(bytes) {
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    const whole = await new Response(stream).arrayBuffer();
    const length = new DataView(whole).getInt32(0, true);
    const snapshot = JSON.parse(new TextDecoder().decode(new Uint8Array(whole, 4, length)));
    Object.assign(known, snapshot, { packed: whole.slice(4 + length) });
    readCurves();
    arrived();
    for (const source of sources) source.tell();
  }

  function readCurves() {
    const view = known.packed;
    const count = new Int32Array(view, 0, 1)[0];
    const table = new Int32Array(view, 4, 2 * count);
    let total = 0;
    for (let i = 0; i < count; i += 1) total += table[2 * i + 1];
    known.curves.clear();
    let at = 0;
    for (let i = 0; i < count; i += 1) {
      const length = table[2 * i + 1];
      const of = (offset) => new Float32Array(view, 4 + 8 * count + 4 * offset, length);
      known.curves.set(table[2 * i], [of(at), of(total + at)]);
      at += length;
    }
  }

  const reply = (body, status = 200) =>
    new Response(body instanceof ArrayBuffer ? body : JSON.stringify(body), { status });

  function answer(path) {
    if (path in known.answers) return reply(known.answers[path]);
    const sweep = `api/sweeps/${encodeURIComponent(known.name)}`;
    if (path === sweep) return reply({ ...known.head, runs: known.runs });
    if (path === `${sweep}/curves`) return reply(known.packed);
    const found = path.startsWith(`${sweep}/runs/`) && /^(\d+)(\/metrics)?$/.exec(path.slice(sweep.length + 6));
    const run = found && known.runs.find(({ number }) => number === Number(found[1]));
    if (!run) return reply({ error: "not kept in this page; `hdcore ui` has it" }, 404);
    if (!found[2]) return reply({ exit_code: null, signal: null, metrics: {}, notes: {}, files: [], ...run });
    const [x, y] = known.curves.get(run.number) ?? [[], []];
    const points = Array.from(x, (interval, i) => [interval, null, Number.isFinite(y[i]) ? y[i] : null]);
    return reply(points.length ? { [known.head.primary_metric]: points } : {});
  }

  window.fetch = async (path, options = {}) => {
    await wait;
    if ((options.method ?? "GET") !== "GET") return reply({ error: "a page of one file changes nothing" }, 405);
    return answer(String(path).split("?")[0]);
  };

  window.EventSource = class {
    constructor() {
      this.heard = {};
      sources.add(this);
      wait.then(() => this.tell());
    }

    addEventListener(name, f) {
      this.heard[name] = f;
    }

    tell() {
      if (!sources.has(this)) return;
      this.onopen?.();
      for (const name of ["head", "runs"]) this.heard[name]?.({ data: JSON.stringify(known[name]) });
    }

    close() {
      sources.delete(this);
    }
  };

  window.addEventListener("message", ({ source, data }) => {
    if (source !== window.parent || source === window) return;
    if (data?.snapshot) take(data.snapshot);
    if (data?.theme) {
      document.documentElement.dataset.theme = data.theme;
      window.dispatchEvent(new Event("themechange"));
    }
  });

  // In a frame a link to a fragment would lead to the page around it.
  document.addEventListener("click", (event) => {
    const target = event.target.closest?.("a")?.getAttribute("href");
    if (!target?.startsWith("#")) return;
    event.preventDefault();
    location.hash = target;
  });

  const { name, snapshot } = document.currentScript.dataset;
  if (!location.hash) location.hash = `#/${encodeURIComponent(name)}`;
  if (snapshot) take(Uint8Array.from(atob(snapshot), (c) => c.charCodeAt(0)));
})();

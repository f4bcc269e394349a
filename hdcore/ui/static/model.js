// What the page knows of one sweep, and who wants to hear of changes.

import { roundValues } from "./frame.js";
import { flat } from "./format.js";

export const ENDED = new Set(["Completed", "Failed", "Canceled"]);
const MOST_OPTIONS = 12; // a choice among more numbers than this is laid out like a range

// How the values of a parameter are laid out on an axis: "category", "log" or "linear".
function scaleOf(expression, values, low, high) {
  const kind = Array.isArray(expression) ? expression[0] : "";
  if (!values.every((value) => typeof value === "number")) return "category";
  if ((kind.includes("log") || (kind === "" && high / low >= 1000)) && low > 0) return "log"; // "": inside of a choice
  if (kind === "choice" && new Set(values).size <= MOST_OPTIONS) return "category";
  return "linear";
}

export class Model {
  constructor(name) {
    this.name = name;
    this.head = null;
    this.runs = new Map();
    this.list = []; // of the runs; each knows its place in it as `index`
    this.curves = new Map();
    this.parameters = []; // {name, scale, low, high or values}: the order of the space
    this.mask = null; // Uint8Array over `list`: 1 for the runs that the brushes leave; null for all
    this.isMoving = false; // a brush is being dragged: views may show less, and show it again when it stops
    this.listeners = [];
  }

  listen(f) {
    this.listeners.push(f);
  }

  tell(what) {
    for (const f of this.listeners) f(what);
  }

  takeHead(head) {
    this.head = head;
    this.tell("head");
  }

  takeRuns(changed) {
    for (const run of changed) {
      run.flat = flat(run.configuration);
      run.index = this.runs.get(run.number)?.index ?? this.list.length;
      this.list[run.index] = run;
      this.runs.set(run.number, run);
    }
    this.readParameters();
    this.tell("runs");
  }

  takeCurves(curves) {
    for (const [number, curve] of curves) this.curves.set(number, curve);
    this.tell("curves");
  }

  // Numbers of the runs that have reported since their curves were fetched.
  behind() {
    const last = ({ x } = { x: [] }) => (x.length ? x[x.length - 1] : 0);
    return new Set(this.list.filter((run) => last(this.curves.get(run.number)) !== run.intervals).map((run) => run.number));
  }

  // Sets which runs table, curves, scatter and history show: a Uint8Array over `list`, or null for all.
  select(mask, isMoving) {
    this.mask = mask;
    this.isMoving = isMoving;
    this.tell("selected");
  }

  isShown(run) {
    return run !== undefined && (this.mask === null || this.mask[run.index] === 1);
  }

  get metric() {
    return this.head?.primary_metric ?? "value";
  }

  get sign() {
    return this.head?.goal === "minimize" ? -1 : 1;
  }

  get best() {
    return this.runs.get(this.head?.best_run);
  }

  readParameters() {
    const values = new Map();
    for (const run of this.list) {
      for (const name in run.flat) {
        const known = values.get(name);
        if (known) known.push(run.flat[name]);
        else values.set(name, [run.flat[name]]);
      }
    }
    const space = this.head?.space ?? {};
    this.parameters = [...values].map(([name, found]) => {
      let [low, high] = [Infinity, -Infinity];
      for (const value of found) {
        if (value < low) low = value;
        if (value > high) high = value;
      }
      const scale = scaleOf(space[name], found, low, high);
      if (scale !== "category") return { name, scale, low, high };
      const distinct = new Map(found.map((value) => [keyOf(value), value]));
      const options = [...distinct.values()].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
      return { name, scale, values: options, keys: new Map(options.map((value, i) => [keyOf(value), i])) };
    });
  }
}

function keyOf(value) {
  return typeof value === "object" ? JSON.stringify(value) : value;
}

// Place of a value on an axis, 0 to 1; null where the run does not have the parameter.
export function place(parameter, value) {
  if (value === undefined) return null;
  if (parameter.scale === "category") {
    const at = parameter.keys.get(keyOf(value));
    return at === undefined ? null : (at + 0.5) / parameter.values.length;
  }
  if (value === null) return null;
  const { low, high } = parameter;
  if (low === high) return 0.5;
  if (parameter.scale === "log") return Math.log(value / low) / Math.log(high / low);
  return (value - low) / (high - low);
}

// The number at a place of an axis: what `place` was computed from.
export function valueAt({ scale, low, high }, at) {
  return scale === "log" ? low * (high / low) ** at : low + at * (high - low);
}

// Values to print along an axis: [[place, value], ...].
export function ticks(parameter, most = 6) {
  if (parameter.scale === "category") {
    const step = Math.ceil(parameter.values.length / 14);
    return parameter.values.map((value, i) => [(i + 0.5) / parameter.values.length, value]).filter((_, i) => i % step === 0);
  }
  const { low, high } = parameter;
  if (parameter.scale === "log") {
    const [from, to] = [Math.ceil(Math.log10(low) - 1e-9), Math.floor(Math.log10(high) + 1e-9)];
    const found = [];
    for (let k = from; k <= to; k += Math.max(1, Math.ceil((to - from + 1) / most))) found.push(10 ** k);
    const shown = found.length >= 2 ? found : [low, Math.sqrt(low * high), high];
    return shown.map((value) => [place(parameter, value), value]);
  }
  return roundValues(low, high, most).map((value) => [place(parameter, value), value]);
}

// What the page knows of one sweep, and who wants to hear of changes.

import { flat } from "./format.js";

export const ENDED = new Set(["Completed", "Failed", "Canceled"]);

// How the values of a parameter are laid out on an axis: "category", "log" or "linear".
function scaleOf(expression, values) {
  const kind = Array.isArray(expression) ? expression[0] : "";
  const numbers = values.every((value) => typeof value === "number");
  if (!numbers) return "category";
  if (kind.includes("log") && values.every((value) => value > 0)) return "log";
  if (kind === "choice" && new Set(values).size <= 12) return "category";
  return "linear";
}

export class Model {
  constructor(name) {
    this.name = name;
    this.head = null;
    this.runs = new Map();
    this.curves = new Map();
    this.parameters = []; // {name, scale, values}: the order of the space
    this.selected = null; // Set of run numbers that the brushes leave, or null for all
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
      this.runs.set(run.number, run);
    }
    this.lists = null;
    this.readParameters();
    this.tell("runs");
  }

  takeCurves(curves) {
    for (const [number, curve] of curves) this.curves.set(number, curve);
    this.tell("curves");
  }

  // Sets which runs table, curves and scatter show; null for all.
  select(numbers) {
    this.selected = numbers;
    this.tell("selected");
  }

  isShown(number) {
    return this.selected === null || this.selected.has(number);
  }

  get list() {
    this.lists ??= [...this.runs.values()];
    return this.lists;
  }

  get sign() {
    return this.head?.goal === "minimize" ? -1 : 1;
  }

  // Best value after each ended run, in order of their ends: [[place, value, run number], …].
  history() {
    const ended = this.list.filter((run) => run.ended && run.value !== null);
    ended.sort((a, b) => (a.ended < b.ended ? -1 : a.ended > b.ended ? 1 : a.number - b.number));
    let best = null;
    return ended.map((run, i) => {
      if (best === null || run.value * this.sign > best.value * this.sign) best = run;
      return [i + 1, best.value, best.number];
    });
  }

  readParameters() {
    const values = new Map();
    for (const run of this.list) {
      for (const [name, value] of Object.entries(run.flat)) {
        if (!values.has(name)) values.set(name, []);
        values.get(name).push(value);
      }
    }
    const space = this.head?.space ?? {};
    this.parameters = [...values].map(([name, found]) => {
      const scale = scaleOf(space[name], found);
      const parameter = { name, scale };
      if (scale === "category") {
        const distinct = new Map(found.map((value) => [JSON.stringify(value), value]));
        parameter.values = [...distinct.values()].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
        parameter.keys = new Map(parameter.values.map((value, i) => [JSON.stringify(value), i]));
      } else {
        let [low, high] = [Infinity, -Infinity];
        for (const value of found) {
          if (value < low) low = value;
          if (value > high) high = value;
        }
        [parameter.low, parameter.high] = [low, high];
      }
      return parameter;
    });
  }
}

// Place of a value on an axis, 0 to 1; null where the run does not have the parameter.
export function place(parameter, value) {
  if (value === undefined || value === null) {
    if (parameter.scale !== "category" || value === undefined) return null;
  }
  if (parameter.scale === "category") {
    const at = parameter.keys.get(JSON.stringify(value));
    return at === undefined ? null : (at + 0.5) / parameter.values.length;
  }
  const { low, high } = parameter;
  if (low === high) return 0.5;
  if (parameter.scale === "log") return Math.log(value / low) / Math.log(high / low);
  return (value - low) / (high - low);
}

// Values to print along an axis: [[place, value], …].
export function ticks(parameter, most = 6) {
  if (parameter.scale === "category") {
    const step = Math.ceil(parameter.values.length / 14);
    return parameter.values
      .map((value, i) => [(i + 0.5) / parameter.values.length, value])
      .filter((_, i) => i % step === 0);
  }
  const { low, high } = parameter;
  if (low === high) return [[0.5, low]];
  if (parameter.scale === "log") {
    const from = Math.ceil(Math.log10(low) - 1e-9);
    const to = Math.floor(Math.log10(high) + 1e-9);
    const found = [];
    const step = Math.max(1, Math.ceil((to - from + 1) / most));
    for (let k = from; k <= to; k += step) found.push(10 ** k);
    const shown = found.length >= 2 ? found : [low, Math.sqrt(low * high), high];
    return shown.map((value) => [place(parameter, value), value]);
  }
  const rough = (high - low) / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((k) => k * power).find((k) => k >= rough);
  const found = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k += 1) {
    const value = Number((k * step).toPrecision(12));
    found.push([place(parameter, value), value]);
  }
  return found;
}

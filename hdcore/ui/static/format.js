// Numbers, times and configurations in few characters.

export function number(value, digits = 4) {
  if (value === null || value === undefined) return "–";
  if (typeof value === "boolean") return String(value);
  if (typeof value !== "number") return text(value);
  if (Number.isInteger(value) && Math.abs(value) < 1e6) return String(value);
  const size = Math.abs(value);
  if (size >= 10 ** digits && size < 1e6) return value.toFixed(0);
  if (size !== 0 && (size < 1e-4 || size >= 1e6)) return value.toExponential(Math.max(0, digits - 2)).replace("e+", "e");
  return String(Number(value.toPrecision(digits)));
}

export function text(value) {
  if (value === null || value === undefined) return "–";
  if (typeof value === "number") return number(value);
  if (typeof value === "object") return JSON.stringify(value);
  return String(value);
}

export function seconds(value) {
  if (value === null || value === undefined) return "–";
  if (value < 60) return `${value.toFixed(1)} s`;
  const whole = Math.floor(value);
  const two = (n) => String(n).padStart(2, "0");
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

export function bytes(value) {
  if (value < 1000) return `${value} B`;
  const units = ["kB", "MB", "GB", "TB"];
  let at = -1;
  do {
    value /= 1000;
    at += 1;
  } while (value >= 1000 && at < units.length - 1);
  return `${value.toPrecision(3)} ${units[at]}`;
}

const CLOCK = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" }); // slow to make

export function clock(iso) {
  return iso ? CLOCK.format(new Date(iso)) : "–";
}

// {a: {b: 1}, c: 2} -> {"a.b": 1, "c": 2}: nested choices become columns of their own
export function flat(configuration, prefix = "", into = {}) {
  for (const [name, value] of Object.entries(configuration)) {
    const full = prefix ? `${prefix}.${name}` : name;
    if (value !== null && typeof value === "object" && !Array.isArray(value)) flat(value, full, into);
    else into[full] = value;
  }
  return into;
}

// What the line over the table means, and how values are ordered.

const collator = new Intl.Collator(undefined, { numeric: true });

export function compare(a, b, up) {
  const isLast = (value) => value === null || value === undefined || value === "";
  if (isLast(a) || isLast(b)) return isLast(a) - isLast(b); // what is missing stands at the end either way
  if (typeof a === "number" && typeof b === "number") return (a - b) * up;
  return collator.compare(String(a), String(b)) * up;
}

// Words that all have to occur in a row, and comparisons like lr<0.01 or accuracy>=0.9.
export function parseFilter(line, columns) {
  const tests = line
    .trim()
    .split(/\s+/)
    .filter(Boolean)
    .map((word) => comparison(word, columns) ?? ((run) => wordsOf(run, columns).includes(word.toLowerCase())));
  return (run) => tests.every((test) => test(run));
}

function comparison(word, columns) {
  const found = /^(.+?)(<=|>=|=|<|>)(.+)$/.exec(word);
  const column = found && columns.find(({ title, name }) => title === found[1] || name === found[1]);
  if (!column) return null;
  const [sign, bound, isNumber] = [found[2], Number(found[3]), !Number.isNaN(Number(found[3]))];
  return (run) => {
    const value = column.get(run);
    if (value === null || value === undefined) return false;
    if (sign === "=") return isNumber && typeof value === "number" ? value === bound : String(value) === found[3];
    if (typeof value !== "number") return false;
    return { "<": value < bound, ">": value > bound, "<=": value <= bound, ">=": value >= bound }[sign];
  };
}

// All that a row shows, in small letters; kept with the run, since a run that changes is a new object.
function wordsOf(run, columns) {
  run.words ??= columns.map(({ show }) => show(run)).join("\n").toLowerCase();
  return run.words;
}

// What plots over two axes share: their frame, lines through points, and labels that fit.

import { number } from "./format.js";

export const ROOM = { left: 66, right: 16, top: 10, bottom: 42 };

export function inner(width, height) {
  return { left: ROOM.left, top: ROOM.top, width: width - ROOM.left - ROOM.right, height: height - ROOM.top - ROOM.bottom };
}

// Round values in a range: at most `most` steps.
export function roundValues(low, high, most = 6) {
  if (!(high > low)) return [low];
  const rough = (high - low) / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((k) => k * power).find((k) => k >= rough * 0.999) ?? 10 * power;
  const found = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k += 1) found.push(Number((k * step).toPrecision(12)));
  return found;
}

export function linearAxis(title, [low, high], isCount = false) {
  const span = high - low || 1;
  const values = roundValues(low, high, isCount ? 12 : 6).filter((value) => !isCount || Number.isInteger(value));
  return { title, ticks: values.map((value) => [(value - low) / span, number(value, 5)]) };
}

// Grid, labels and titles; an axis is {title, ticks: [[place 0 to 1, label], ...]}.
export function drawFrame(context, box, x, y, colours) {
  const { left, top, width, height } = box;
  context.font = "12px system-ui, sans-serif";
  context.strokeStyle = colours.line;
  context.lineWidth = 1;
  context.beginPath();
  for (const [at] of x.ticks) {
    context.moveTo(left + at * width, top);
    context.lineTo(left + at * width, top + height);
  }
  for (const [at] of y.ticks) {
    context.moveTo(left, top + (1 - at) * height);
    context.lineTo(left + width, top + (1 - at) * height);
  }
  context.stroke();
  context.fillStyle = colours.quiet;
  context.textAlign = "center";
  context.textBaseline = "top";
  const apart = x.ticks.length > 1 ? Math.abs(x.ticks[1][0] - x.ticks[0][0]) * width - 4 : width;
  for (const [at, label] of x.ticks) context.fillText(short(context, label, apart), left + at * width, top + height + 5);
  context.textAlign = "right";
  context.textBaseline = "middle";
  for (const [at, label] of y.ticks) context.fillText(short(context, label, left - 26), left - 6, top + (1 - at) * height);
  context.fillStyle = colours.text;
  context.textAlign = "center";
  context.fillText(short(context, x.title, width), left + width / 2, top + height + 30);
  context.save();
  context.translate(10, top + height / 2);
  context.rotate(-Math.PI / 2);
  context.fillText(short(context, y.title, height), 0, 0);
  context.restore();
}

// Adds the line through points to the path; a value that is not finite leaves a gap.
export function trace(context, { x, y }, box, [lowX, highX], [lowY, highY]) {
  const [ax, ay] = [box.width / (highX - lowX), box.height / (highY - lowY)];
  let isPen = false;
  for (let i = 0; i < x.length; i += 1) {
    if (!Number.isFinite(y[i])) {
      isPen = false;
      continue;
    }
    const px = box.left + (x[i] - lowX) * ax;
    const py = box.top + (highY - y[i]) * ay;
    if (isPen) context.lineTo(px, py);
    else context.moveTo(px, py);
    isPen = true;
  }
  if (x.length === 1 && isPen) dot(context, box.left + (x[0] - lowX) * ax, box.top + (highY - y[0]) * ay, 2);
}

export function dot(context, x, y, radius) {
  context.moveTo(x + radius, y);
  context.arc(x, y, radius, 0, 2 * Math.PI);
}

export function clipTo(context, box) {
  context.beginPath();
  context.rect(box.left, box.top, box.width, box.height);
  context.clip();
}

export function short(context, label, room) {
  const text = String(label).slice(0, 200);
  if (context.measureText(text).width <= room) return text;
  let cut = text;
  while (cut.length > 1 && context.measureText(`${cut}…`).width > room) cut = cut.slice(0, -1);
  return `${cut}…`;
}

const WHOLE = [1, 2, 5].flatMap((k) => Array.from({ length: 10 }, (_, power) => k * 10 ** power)).sort((a, b) => a - b);

// Axes of a uPlot in the colours of the screen; the lower one counts something.
export function uplotAxes(colours, title) {
  const axis = {
    stroke: colours.quiet,
    font: "12px system-ui, sans-serif",
    grid: { stroke: colours.line, width: 1 },
    ticks: { stroke: colours.line, size: 5 },
    gap: 3,
  };
  const words = { label: title, labelSize: 18, labelGap: 0, labelFont: "12px system-ui, sans-serif" };
  return [{ ...axis, ...words, size: 28, incrs: WHOLE }, { ...axis, size: 66, values: (_, splits) => splits.map((split) => number(split, 5)) }];
}

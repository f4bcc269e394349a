// A drawing context that writes SVG: the part of a canvas context that our plots paint with. What is painted on it
// stays lines and letters, which an editor can change and a printer enlarges.

const SPACE = "http://www.w3.org/2000/svg";
const STATE = ["strokeStyle", "fillStyle", "globalAlpha", "lineWidth", "font", "textAlign", "textBaseline"];
const ANCHOR = { left: "start", start: "start", center: "middle", right: "end", end: "end" };
const SHIFT = { top: 0.8, middle: 0.33, alphabetic: 0, bottom: -0.2 }; // of the size of the letters
const NO_XML = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g;

const short = (value) => String(Math.round(value * 10) / 10);
const plain = (text) => String(text).toWellFormed().replace(NO_XML, "\ufffd");

export class SvgContext {
  constructor(width, height, title, description) {
    this.root = node("svg", { xmlns: SPACE, width, height, viewBox: `0 0 ${width} ${height}`, role: "img" });
    this.root.append(worded("title", title), worded("desc", description));
    this.at = this.root;
    this.stack = [];
    this.measure = document.createElement("canvas").getContext("2d");
    Object.assign(this, { strokeStyle: "#000", fillStyle: "#000", globalAlpha: 1, lineWidth: 1, lineJoin: "miter" });
    Object.assign(this, { font: "12px sans-serif", textAlign: "left", textBaseline: "alphabetic" });
    this.beginPath();
  }

  toString() {
    return `<?xml version="1.0" encoding="UTF-8"?>\n${new XMLSerializer().serializeToString(this.root)}\n`;
  }

  save() {
    this.stack.push([this.at, ...STATE.map((name) => this[name])]);
  }

  restore() {
    const [at, ...values] = this.stack.pop();
    this.at = at;
    STATE.forEach((name, i) => (this[name] = values[i]));
  }

  translate(x, y) {
    this.group({ transform: `translate(${short(x)} ${short(y)})` });
  }

  rotate(angle) {
    this.group({ transform: `rotate(${short((angle * 180) / Math.PI)})` });
  }

  group(attributes) {
    const inner = node("g", attributes);
    this.at.append(inner);
    this.at = inner;
  }

  beginPath() {
    this.path = [];
    this.box = null;
  }

  moveTo(x, y) {
    this.path.push(`M${short(x)} ${short(y)}`);
  }

  lineTo(x, y) {
    this.path.push(`L${short(x)} ${short(y)}`);
  }

  // Whole circles only.
  arc(x, y, radius) {
    const r = short(radius);
    this.path.push(`M${short(x - radius)} ${short(y)}a${r} ${r} 0 1 0 ${short(2 * radius)} 0a${r} ${r} 0 1 0 ${short(-2 * radius)} 0`);
  }

  rect(x, y, width, height) {
    this.box = { x: short(x), y: short(y), width: short(width), height: short(height) };
  }

  // To the rectangle of the path.
  clip() {
    const id = `clip${this.root.querySelectorAll("clipPath").length}`;
    const clip = node("clipPath", { id });
    clip.append(node("rect", this.box));
    this.at.append(clip);
    this.group({ "clip-path": `url(#${id})` });
  }

  stroke() {
    if (!this.path.length) return;
    this.add(node("path", { d: this.path.join(""), fill: "none", stroke: this.strokeStyle, "stroke-width": this.lineWidth, "stroke-linejoin": this.lineJoin }));
  }

  fill() {
    if (this.path.length) this.add(node("path", { d: this.path.join(""), fill: this.fillStyle }));
  }

  fillRect(x, y, width, height) {
    this.add(node("rect", { x: short(x), y: short(y), width: short(width), height: short(height), fill: this.fillStyle }));
  }

  fillText(text, x, y) {
    const size = parseFloat(/([\d.]+)px/.exec(this.font)[1]);
    const letters = worded("text", text, {
      x: short(x),
      y: short(y + size * SHIFT[this.textBaseline]),
      fill: this.fillStyle,
      "font-size": size,
      "font-family": "system-ui, sans-serif",
      "text-anchor": ANCHOR[this.textAlign],
    });
    if (/^(bold|[67]00) /.test(this.font)) letters.setAttribute("font-weight", "600");
    this.add(letters);
  }

  measureText(text) {
    this.measure.font = this.font;
    return this.measure.measureText(text);
  }

  add(child) {
    if (this.globalAlpha < 1) child.setAttribute("opacity", String(Math.round(this.globalAlpha * 1000) / 1000));
    this.at.append(child);
  }
}

function node(tag, attributes) {
  const made = document.createElementNS(SPACE, tag);
  for (const [name, value] of Object.entries(attributes)) if (name !== "xmlns") made.setAttribute(name, value);
  return made;
}

function worded(tag, text, attributes = {}) {
  const made = node(tag, attributes);
  made.textContent = plain(text);
  return made;
}

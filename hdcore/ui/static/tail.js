// The end of a log, which follows what is appended to it.

import { filePath, getPart } from "./api.js";
import { el, say } from "./dom.js";
import { bytes } from "./format.js";

const TAIL = 64 * 1024; // what is shown at first
const PART = 1 << 20;
const MOST_TEXT = 1 << 20;

export class Tail {
  constructor(name, run, file) {
    this.path = filePath(name, run, file);
    this.offset = null;
    this.pre = el("pre", { class: "log", tabindex: 0, role: "log", "aria-label": file });
    this.note = el("span", { class: "quiet" });
    this.node = el("section", { class: "panel", "aria-label": file, hidden: true }, el("div", { class: "bar" }, el("h2", {}, file), this.note), this.pre);
  }

  // Reads on. `size` is what the log had when the run was looked at; undefined: there is none yet.
  async follow(size) {
    if (size === undefined || size === this.offset) return;
    if (this.offset === null || size < this.offset) {
      // For the first time, or it has begun anew: an attempt that starts again writes a log of its own.
      this.offset = Math.max(0, size - TAIL);
      this.decoder = new TextDecoder();
      this.pre.replaceChildren();
      say(this.note, this.offset ? `the last ${bytes(size - this.offset)} of ${bytes(size)}` : "");
    }
    while (this.offset < size) {
      const { data } = await getPart(this.path, this.offset, PART);
      if (!data.byteLength) break;
      this.offset += data.byteLength;
      this.append(this.decoder.decode(data, { stream: true }));
    }
  }

  append(more) {
    if (!more) return;
    const isAtEnd = this.node.hidden || this.pre.scrollHeight - this.pre.scrollTop - this.pre.clientHeight < 40;
    this.pre.append(more);
    let length = this.pre.textContent.length;
    while (this.pre.childNodes.length > 1 && length > MOST_TEXT) {
      length -= this.pre.firstChild.length;
      this.pre.firstChild.remove();
    }
    this.node.hidden = false;
    if (isAtEnd) this.pre.scrollTop = this.pre.scrollHeight;
  }
}

// Thousands of lines as one picture, painted by a worker so that the page never waits for it.

import { channels } from "./palette.js";

export const CROWD = 400; // more lines than this are a crowd; fewer are drawn one by one, which looks sharper
export const MOVING = 2500; // lines that stand for a crowd while a brush moves: the rest follows when it stops

export class Density {
  // `ready` is called when a new picture is there.
  constructor(ready) {
    this.ready = ready;
    this.bitmap = null;
    this.about = null; // what the last request said about it: the scales, say
    this.isBusy = false;
    this.wanted = null;
  }

  get worker() {
    if (!this.started) {
      this.started = new Worker(new URL("density-worker.js", import.meta.url));
      this.started.onmessage = ({ data }) => this.take(data);
    }
    return this.started;
  }

  // lines: {starts: Uint32Array (n + 1), x, y: Float32Array, tone: Float32Array (n), weight: Float32Array (n)}; the
  // tone, 0 to 1, chooses among the shades. The worker gets them for good.
  setLines(lines) {
    this.worker.postMessage({ lines }, [lines.starts, lines.x, lines.y, lines.tone, lines.weight].map(({ buffer }) => buffer));
  }

  // request: {mask: Uint8Array (n) or null, most: lines that are enough, evenly chosen, width, height (device pixels), map: [ax, bx, ay, by], shades: colours of
  // css, about}. Of several requests that come while the worker paints, the last one counts.
  paint(request) {
    if (this.isBusy) {
      this.wanted = request;
      return;
    }
    this.isBusy = true;
    this.pending = request.about;
    const shades = Uint8Array.from(request.shades.flatMap(channels));
    this.worker.postMessage({ ...request, about: undefined, shades });
  }

  take(bitmap) {
    this.bitmap?.close();
    [this.bitmap, this.about] = [bitmap, this.pending];
    this.isBusy = false;
    if (this.wanted) {
      const next = this.wanted;
      this.wanted = null;
      this.paint(next);
    }
    this.ready();
  }

  clear() {
    this.bitmap?.close();
    [this.bitmap, this.about, this.wanted] = [null, null, null];
  }

  close() {
    this.started?.terminate();
    this.started = null;
    this.clear();
  }
}

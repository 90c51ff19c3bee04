// Pointer and keys on a chart: pointing, dragging, zooming.

const ZOOM = 0.8;
const STEPS = Object.freeze({ ArrowLeft: -1, ArrowRight: 1 });

/**
 * `on.point(share)` tells where the pointer is across the width, null where it left; `on.pan(share)` a drag, back in time
 * positive; `on.zoom(factor, share)`; `on.step(by)` an arrow; `on.end(newest)` Home or End; `on.leave()` Escape.
 */
export class Grip {
  #dragged = null;

  constructor(node, on) {
    Object.assign(this, { node, on });
    node.addEventListener("pointerdown", (event) => this.#down(event));
    node.addEventListener("pointermove", (event) => this.#move(event));
    node.addEventListener("pointerup", () => this.#up());
    node.addEventListener("pointercancel", () => this.#up());
    node.addEventListener("pointerleave", () => this.#dragged === null && on.point(null));
    node.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    node.addEventListener("keydown", (event) => this.#key(event));
  }

  #share(event) {
    const { left, width } = this.node.getBoundingClientRect();
    return (event.clientX - left) / width;
  }

  #down(event) {
    if (event.button !== 0) return;
    this.node.setPointerCapture(event.pointerId);
    this.#dragged = this.#share(event);
  }

  #move(event) {
    const share = this.#share(event);
    if (this.#dragged !== null) {
      this.on.pan(share - this.#dragged);
      this.#dragged = share;
    }
    this.on.point(share);
  }

  #up() {
    this.#dragged = null;
  }

  /** A page that scrolls must not be caught by what it scrolls over: only a chart that was entered zooms. */
  #wheel(event) {
    if (!event.ctrlKey && document.activeElement !== this.node) return;
    event.preventDefault();
    this.on.zoom(event.deltaY > 0 ? 1 / ZOOM : ZOOM, this.#share(event));
  }

  #key(event) {
    const step = STEPS[event.key];
    if (step && event.shiftKey) this.on.pan(-step * 0.15);
    else if (step) this.on.step(step);
    else if (event.key === "+" || event.key === "=") this.on.zoom(ZOOM, 1);
    else if (event.key === "-") this.on.zoom(1 / ZOOM, 1);
    else if (event.key === "Home" || event.key === "End") this.on.end(event.key === "End");
    else if (event.key === "Escape") this.on.leave();
    else return;
    event.preventDefault();
  }
}

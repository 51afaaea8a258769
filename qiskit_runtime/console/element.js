// The base of the console's elements.
import { LitElement } from "./vendor/lit.js";

/** An element whose content is part of the page: one style sheet, and labels that reach across. */
export class PageElement extends LitElement {
  createRenderRoot() {
    return this;
  }

  /** Call `work` now and then while the element is shown and the tab is seen; it returns the pause in ms. */
  poll(work) {
    this.stopPolling();
    const turn = { timer: 0, over: false };
    const run = async () => {
      const pause = await work();
      if (!turn.over && pause) turn.timer = setTimeout(step, pause);
    };
    const step = () => {
      if (document.hidden) document.addEventListener("visibilitychange", step, { once: true });
      else run();
    };
    turn.stop = () => {
      turn.over = true;
      clearTimeout(turn.timer);
      document.removeEventListener("visibilitychange", step);
    };
    this.polling = turn;
    run();
  }

  stopPolling() {
    this.polling?.stop();
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.stopPolling();
  }
}

/** Name an element; a notebook may have loaded it already, of another kernel, and then the first stays. */
export function define(name, element) {
  if (!customElements.get(name)) customElements.define(name, element);
}

/** Go to another page of the console. */
export function go(address, { replace = false } = {}) {
  history[replace ? "replaceState" : "pushState"](null, "", address);
  dispatchEvent(new Event("navigate"));
}

/** Return the address of a page: its view and what belongs to it. */
export function address(view, fields = {}) {
  const query = new URLSearchParams(view ? { view } : {});
  for (const [name, value] of Object.entries(fields)) {
    for (const one of [value].flat()) if (one !== "" && one != null) query.append(name, one);
  }
  return `/${query.size ? `?${query}` : ""}`;
}

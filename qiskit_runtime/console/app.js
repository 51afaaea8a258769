// The console: the page that its address names. Addresses are queries of "/", so that each can be
// shared, and a login leads back to it.
import { html } from "./vendor/lit.js";
import { go, PageElement } from "./element.js";
import { texts } from "./texts.js";
import "./job-list.js";

/** The pages by their view: the module of each, loaded when it is first opened, and its content. */
const VIEWS = {
  "": {
    load: () => {},
    show: (query) => html`<job-list .query=${query}></job-list>`,
  },
  job: {
    load: () => import("./job-page.js"),
    show: (query) => html`<job-page .job=${query.get("id")} .line=${query.get("line")}></job-page>`,
  },
  compare: {
    load: () => import("./compare-page.js"),
    show: (query) => html`<compare-page .jobs=${query.getAll("id")}></compare-page>`,
  },
  programs: {
    load: () => import("./program-list.js"),
    show: () => html`<program-list></program-list>`,
  },
  program: {
    load: () => import("./program-page.js"),
    show: (query) =>
      html`<program-page .program=${query.get("id")} .origin=${query.get("from")}></program-page>`,
  },
  backends: {
    load: () => import("./backend-list.js"),
    show: () => html`<backend-list></backend-list>`,
  },
  backend: {
    load: () => import("./backend-page.js"),
    show: (query) => html`<backend-page .backend=${query.get("name")}></backend-page>`,
  },
  system: {
    load: () => import("./system-page.js"),
    show: () => html`<system-page></system-page>`,
  },
};

class RuntimeConsole extends PageElement {
  static properties = { content: { state: true } };

  connectedCallback() {
    super.connectedCallback();
    addEventListener("navigate", () => this.open());
    addEventListener("popstate", () => this.open());
    document.addEventListener("click", followLink);
    this.open({ isFirst: true });
  }

  async open({ isFirst = false } = {}) {
    const query = new URLSearchParams(location.search);
    const view = query.get("view") ?? "";
    const known = VIEWS[view];
    markLinks(view);
    if (!known) {
      this.content = html`<h1>${texts.noPage}</h1>`;
      return;
    }
    await known.load();
    const isOther = this.view !== view;
    this.view = view;
    this.content = known.show(query);
    if (isFirst || !isOther) return;
    scrollTo(0, 0);
    await this.updateComplete;
    // A screen reader goes on at the new page, and the Tab key too.
    document.getElementById("content").focus({ preventScroll: true });
  }

  render() {
    return this.content;
  }
}

const PARENTS = { job: "", compare: "", program: "programs", backend: "backends" };

function markLinks(view) {
  const current = PARENTS[view] ?? view;
  for (const link of document.querySelectorAll("header nav a")) {
    const own = new URL(link.href).searchParams.get("view") ?? "";
    if (own === current) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

function followLink(event) {
  const link = event.target.closest?.("a[href]");
  const isPlain = !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey);
  if (!link || !isPlain || event.defaultPrevented || link.target || link.download) return;
  const url = new URL(link.href);
  if (url.origin !== location.origin || url.pathname !== "/" || url.hash) return;
  event.preventDefault();
  go(url.pathname + url.search);
}

customElements.define("runtime-console", RuntimeConsole);

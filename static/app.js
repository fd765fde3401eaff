// Small comforts. Every page is complete without this file; nothing here decides anything.
"use strict";

// Focus. A summary of errors takes it, on a loaded page as well as in a fragment that htmx put in. Where htmx took away
// what had the focus, the heading of what came instead gets it: the keyboard never starts again at the top of the page.

function focusOn(root) {
  const target = root.querySelector("[data-focus]");
  if (target) {
    target.focus();
  }
}

let taken = false; // what htmx is about to replace has the focus

function swapping(event) {
  taken = event.detail.target.contains(document.activeElement) && document.activeElement !== document.body;
}

function settled(event) {
  const root = event.target;
  focusOn(root);
  if (taken && (document.activeElement === document.body || !document.activeElement)) {
    const heading = root.querySelector("h1, h2, legend") || document.getElementById("main");
    heading.tabIndex = -1;
    heading.focus();
  }
  taken = false;
  const news = root.matches("[data-announce]") ? root : root.querySelector("[data-announce]");
  if (news) {
    announce(news.textContent.trim());
  }
}

// announce says a text to screen readers. What carries data-announce is said when htmx puts it in.
function announce(text) {
  const announcer = document.getElementById("announcer");
  if (announcer) {
    announcer.textContent = text;
  }
}

// Waiting. A form that must not be sent twice is sent once; the server would not mind more. After a moment the button says
// that it is under way, which on a slow line is the only sign of it. It stays a button, so that the focus stays on it.

const waiting = new Map();

function submitted(event) {
  const form = event.target;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  if (form.matches("[data-once]")) {
    form.dataset.sent = "yes";
  }
  const button = event.submitter;
  if (button && button.matches(".button")) {
    waiting.set(button, setTimeout(() => wait(button), 400));
  }
}

function wait(button) {
  const label = [...button.childNodes];
  button.setAttribute("aria-disabled", "true");
  button.replaceChildren(document.body.dataset.wait);
  announce(document.body.dataset.wait);
  waiting.set(button, label);
}

// rested makes everything as it was: the answer is there, or the Back button shows a page as it was left.
function rested() {
  for (const [button, what] of waiting) {
    clearTimeout(what);
    if (button.hasAttribute("aria-disabled")) {
      button.removeAttribute("aria-disabled");
      button.replaceChildren(...what);
    }
  }
  waiting.clear();
  for (const form of document.querySelectorAll("[data-sent]")) {
    delete form.dataset.sent;
  }
}

function failed(shown) {
  const notice = document.getElementById("request-failed");
  if (notice) {
    notice.hidden = !shown;
  }
}

// The end of the session. The server says how long it lasts, so that what is done in another tab counts: it is asked
// before the dialog opens, and before the page is left.

function watchSession(dialog) {
  const { ask: address, ended, stayed, failed: notReached } = dialog.dataset;
  const warn = Number(dialog.dataset.warn);
  const clock = dialog.querySelector("[data-clock]");
  const said = dialog.querySelector("[data-said]");
  const tabs = "BroadcastChannel" in window ? new BroadcastChannel("session") : { postMessage() {} };
  let end = 0;
  let timer = 0;
  let certain = false; // the server was asked since the time began to run out
  let dismissed = false;
  let shown = warn; // what the clock said last

  const left = () => Math.round((end - Date.now()) / 1000);
  const next = (seconds) => {
    clearTimeout(timer);
    timer = setTimeout(tick, Math.max(0, seconds) * 1000);
  };

  function learn(answer) {
    end = Date.now() + answer.left * 1000;
    const last = answer.last <= answer.left;
    for (const part of dialog.querySelectorAll("[data-when]")) {
      part.hidden = (part.dataset.when === "last") !== last;
    }
    if (answer.left > warn) {
      certain = dismissed = false;
      shown = warn;
      said.textContent = "";
      if (dialog.open) {
        dialog.close();
        announce(stayed);
      }
    }
    next(0);
  }

  async function ask(method) {
    clearTimeout(timer);
    const options = { method, cache: "no-store", headers: { Accept: "application/json" } };
    if (method === "POST") {
      options.body = new URLSearchParams(new FormData(dialog.querySelector("form")));
    }
    try {
      const answer = await fetch(address, options);
      if (!answer.ok) {
        throw new Error(answer.status);
      }
      certain = true;
      learn(await answer.json());
      return true;
    } catch {
      certain = true; // as certain as it gets
      next(1);
      return false;
    }
  }

  function tick() {
    const seconds = left();
    if (seconds > warn) {
      next(seconds - warn);
    } else if (seconds <= 0) {
      leave();
    } else if (!certain) {
      ask("GET");
    } else {
      show(seconds);
      next(1);
    }
  }

  function show(seconds) {
    clock.textContent = Math.floor(seconds / 60) + ":" + String(seconds % 60).padStart(2, "0");
    if (!dialog.open && !dismissed) {
      dialog.showModal();
    }
    for (const mark of [60, 20]) {
      if (shown > mark && seconds <= mark) {
        said.textContent = dialog.getAttribute("data-at-" + mark);
      }
    }
    shown = seconds;
  }

  async function leave() {
    if (!await ask("GET") || left() <= 0) {
      clearTimeout(timer);
      location.replace(ended);
    }
  }

  async function stay() {
    if (await ask("POST")) {
      tabs.postMessage("used");
    } else {
      said.textContent = notReached;
    }
  }

  dialog.querySelector("[data-stay]").addEventListener("click", stay);
  dialog.addEventListener("cancel", (event) => { // the Escape key
    if (dialog.querySelector("[data-stay]").hidden) {
      dismissed = true;
    } else {
      event.preventDefault();
      stay();
    }
  });
  tabs.onmessage = () => {
    if (dialog.open) {
      ask("GET");
    }
  };
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) {
      ask("GET");
    }
  });
  tabs.postMessage("used");
  document.querySelector("[data-session-note]").hidden = true;
  learn({ left: Number(dialog.dataset.left), last: Number(dialog.dataset.last) });
}

document.addEventListener("submit", submitted);
window.addEventListener("pageshow", rested);
document.addEventListener("htmx:afterSettle", settled);
document.addEventListener("htmx:beforeSwap", swapping);
document.addEventListener("htmx:afterRequest", (event) => {
  if (!event.detail.xhr.getResponseHeader("HX-Redirect")) { // otherwise another page is on its way
    rested();
  }
});
document.addEventListener("htmx:beforeRequest", () => failed(false));
document.addEventListener("htmx:responseError", () => failed(true));
document.addEventListener("htmx:sendError", () => failed(true));
document.addEventListener("click", (event) => {
  if (event.target.closest("[data-print]")) {
    window.print();
  }
});

for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
}
const session = document.getElementById("session");
if (session && session.showModal) {
  watchSession(session);
}
focusOn(document);

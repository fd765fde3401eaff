// Small comforts. Every page is complete without this file; nothing here decides anything.
"use strict";

// A summary of errors takes the focus, on a loaded page as well as in a fragment that htmx put in.
function focusOn(root) {
  const target = root.querySelector("[data-focus]");
  if (target) {
    target.focus();
  }
}

// A form that must not be sent twice: the button rests after the first press. The server would not mind a second one.
function sendOnce(event) {
  const form = event.target;
  if (!form.matches("[data-once]")) {
    return;
  }
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "yes";
}

// The Back button may show a page as it was left; its forms can be sent again.
function awake() {
  for (const form of document.querySelectorAll("[data-once]")) {
    delete form.dataset.sent;
  }
}

function failed(shown) {
  const notice = document.getElementById("request-failed");
  if (notice) {
    notice.hidden = !shown;
  }
}

document.addEventListener("submit", sendOnce);
window.addEventListener("pageshow", awake);
document.addEventListener("htmx:afterSettle", (event) => focusOn(event.target));
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
focusOn(document);

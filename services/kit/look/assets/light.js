// Keeps the lights of an open page true, without a reload.
//
// The page brings every look and every word along in <template>s; this only puts one in place of
// another. Lights come from the stream of server-sent events, which begins with all lights as
// they are. While the stream is away, all lights are asked for every half minute. A page that
// nobody looks at keeps no connection. Other scripts hear of a change by the event
// "einlass:light".

const STREAM = "/api/v1/availability/stream";
const ALL = "/api/v1/availability";
const AGAIN_MS = 30_000;

const page = document.querySelector("[data-event]");

let stream = null;
let timer = null;

function prepared(selector) {
  return document.querySelector(`template${selector}`)?.content.cloneNode(true);
}

function show({ slug, light, state }) {
  const look = light ?? state;
  let changed = false;
  for (const place of document.querySelectorAll(`[data-slug="${CSS.escape(slug)}"]`)) {
    if (place.dataset.look === look) continue;
    const content = prepared(`[data-shows="${look}"]`);
    if (content) {
      place.replaceChildren(content);
      place.dataset.look = look;
      changed = true;
    }
  }
  if (page?.dataset.event === slug) showForm(meaning(light, state));
  if (changed) document.dispatchEvent(new CustomEvent("einlass:light", { detail: { slug } }));
}

function meaning(light, state) {
  if (state !== "open") return "none";
  return light === "red" ? "wait" : "join";
}

// With a form there and still there only its meaning changes. A form that comes or goes is not
// taken out of somebody's hands; the page says so and offers to load itself anew.
function showForm(form) {
  const before = page.dataset.form;
  const changed = page.querySelector('[data-slot="changed"]');
  if (form === before) {
    changed.replaceChildren();
    return;
  }
  if (form === "none" || before === "none") {
    changed.replaceChildren(prepared("[data-changed]"));
    return;
  }
  page.dataset.form = form;
  changed.replaceChildren();
  for (const slot of page.querySelectorAll("[data-slot]")) {
    const content = prepared(`[data-fills="${slot.dataset.slot}"][data-when="${form}"]`);
    if (content) slot.replaceChildren(content);
  }
}

async function ask() {
  try {
    const answer = await fetch(ALL, { cache: "no-cache" });
    if (answer.ok) (await answer.json()).forEach(show);
  } catch {
    // Away; the next turn asks again.
  }
}

function open() {
  if (stream || document.hidden) return;
  stream = new EventSource(STREAM);
  stream.addEventListener("open", () => {
    clearInterval(timer);
    timer = null;
  });
  stream.addEventListener("light", (event) => show(JSON.parse(event.data)));
  stream.addEventListener("error", () => {
    // The browser tries again by itself unless the server refused; then we do.
    timer ??= setInterval(() => {
      if (stream?.readyState === EventSource.CLOSED) {
        stream = null;
        open();
      }
      ask();
    }, AGAIN_MS);
  });
}

function close() {
  stream?.close();
  stream = null;
  clearInterval(timer);
  timer = null;
}

if (page || document.querySelector("[data-slug]")) {
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  window.addEventListener("pagehide", close);
  window.addEventListener("pageshow", open);
  open();
}

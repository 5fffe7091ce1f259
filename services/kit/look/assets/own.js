// Keeps a person's own page true while it is open, without a reload.
//
// The page is asked for again, gently, and what has changed is put in place of what was there: now
// and then while its state may change by itself, when the light of its event changes, and when
// somebody comes back to it. The change is said to screen readers. What somebody is just filling
// in is not taken out of their hands; they are told instead. The time that an offer has left is
// said in words, minute by minute.

const FIRST_MS = 20_000;
const SOON_MS = 2_000; // when an offer is just running out
const SLOWEST_MS = 60_000;
const SLOWER = 1.2;
const GIVE_UP_MS = 300_000;
const SCATTER_MS = 1500; // so that many open pages do not all ask at once
const MINUTE_MS = 60_000;

const root = document.querySelector("[data-own]");
const told = root?.querySelector("[data-told]");
const here = root?.querySelector("[data-changed-here]");
const language = document.documentElement.lang;

let part = root?.querySelector("[data-part]");
let known = part?.outerHTML; // as the server wrote it
let tag = null;
let wait = FIRST_MS;
let next = null;
let tick = null;
let sending = false;

function unit(name, count) {
  const said = { style: "unit", unit: name, unitDisplay: "long" };
  return new Intl.NumberFormat(language, said).format(count);
}

function inWords(ms, moment) {
  const minutes = Math.floor(ms / MINUTE_MS);
  if (minutes < 1) return moment;
  const days = Math.floor(minutes / 1440);
  const hours = Math.floor(minutes / 60) % 24;
  const parts = [];
  if (days > 0) parts.push(unit("day", days));
  if (hours > 0) parts.push(unit("hour", hours));
  if (days === 0 && minutes % 60 > 0) parts.push(unit("minute", minutes % 60));
  return new Intl.ListFormat(language, { type: "conjunction" }).format(parts);
}

function countDown() {
  clearTimeout(tick);
  const until = part.querySelector("[data-until]");
  const left = part.querySelector("[data-left]");
  if (!until || !left) return;
  const ms = Date.parse(until.dateTime) - Date.now();
  left.hidden = ms <= 0;
  if (ms <= 0) {
    wait = SOON_MS;
    askIn(0);
    return;
  }
  const words = left.dataset.left.replace("{time}", inWords(ms, left.dataset.moment));
  if (left.textContent !== words) left.textContent = words;
  tick = setTimeout(countDown, Math.min(ms, (ms % MINUTE_MS) + 50));
}

// Whether somebody is in the middle of a form of the page.
function busy() {
  if (sending) return true;
  const active = document.activeElement;
  return part.contains(active) && active.matches("input, select, textarea");
}

function put(incoming, html) {
  known = html;
  if (busy()) {
    const notice = document.querySelector("template[data-changed-own]");
    here.replaceChildren(notice.content.cloneNode(true));
    told.textContent = here.textContent.trim();
    return;
  }
  const focused = part.contains(document.activeElement) ? document.activeElement.id : null;
  const open = [...part.querySelectorAll("details[open]")].map((fold) => fold.id);
  const fresh = document.adoptNode(incoming);
  fresh.classList.add("own-fresh");
  part.replaceWith(fresh);
  part = fresh;
  here.replaceChildren();
  for (const id of open) {
    const fold = part.querySelector(`#${id}`);
    if (fold) fold.open = true;
  }
  const title = part.querySelector("h1");
  if (focused !== null) {
    const again = focused && part.querySelector(`#${focused}`);
    if (!again) title.tabIndex = -1;
    (again || title).focus({ preventScroll: true });
  }
  told.textContent = title.textContent.trim();
  countDown();
}

async function look() {
  const headers = { "Accept-Language": language };
  if (tag) headers["If-None-Match"] = tag;
  const answer = await fetch(root.dataset.own, { cache: "no-store", headers });
  if (answer.status === 304) return false;
  if (!answer.ok) throw new Error(String(answer.status));
  const text = await answer.text();
  tag = answer.headers.get("etag");
  const page = new DOMParser().parseFromString(text, "text/html");
  const incoming = page.querySelector("[data-part]");
  const html = incoming?.outerHTML;
  if (!incoming || html === known) return false;
  put(incoming, html);
  return true;
}

async function ask() {
  clearTimeout(next);
  next = null;
  if (document.hidden || sending) return;
  try {
    const changed = await look();
    if (!changed) wait = Math.min(wait * SLOWER, SLOWEST_MS);
    else wait = part.dataset.part === "ran_out" ? SOON_MS : FIRST_MS;
  } catch {
    wait = Math.min(wait * 2, GIVE_UP_MS); // away, or too many ask; less often then
  }
  follow();
}

function askIn(ms) {
  clearTimeout(next);
  next = setTimeout(ask, ms + Math.random() * SCATTER_MS);
}

function follow() {
  if (next === null && "follow" in part.dataset && !document.hidden) askIn(wait);
}

function returned() {
  if (document.hidden) return;
  wait = FIRST_MS;
  askIn(0);
  countDown();
}

if (part) {
  document.addEventListener("visibilitychange", returned);
  document.addEventListener("einlass:light", (event) => {
    if (part.querySelector(`[data-slug="${CSS.escape(event.detail.slug)}"]`)) askIn(0);
  });
  document.addEventListener("submit", () => {
    sending = true;
  });
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) {
      sending = false;
      returned();
    }
  });
  countDown();
  follow();
}

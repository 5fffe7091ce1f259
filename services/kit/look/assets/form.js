// Gives a form an id of its own, by which two clicks on its button are one sign-up. The id cannot
// stand in the page: a page may come from a cache, which gives it to others too.

for (const field of document.querySelectorAll('input[name="form_id"]')) {
  if (field.value) continue;
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  field.value = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// Shows a message when a passkey or security key fails. The exchange itself is allauth's script, which reports failures
// with this event.

document.addEventListener("allauth.error", (event) => {
  event.preventDefault(); // no fault of the page, so nothing for the console
  const notes = [...document.querySelectorAll("[data-passkey-failed]")];
  const name = event.detail.exception?.name;
  const match = notes.find((note) => note.dataset.passkeyFailed === name) ?? notes.find((note) => !note.dataset.passkeyFailed);
  for (const note of notes) note.hidden = note !== match;
});

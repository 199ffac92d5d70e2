// Says in words why a passkey or a security key did not work. The exchange itself is allauth's script, which tells of a
// failure by this event.

document.addEventListener("allauth.error", (event) => {
  event.preventDefault(); // it is no fault of the page: nothing for the console
  const notes = [...document.querySelectorAll("[data-passkey-failed]")];
  const why = event.detail.exception?.name;
  const said = notes.find((note) => note.dataset.passkeyFailed === why) ?? notes.find((note) => !note.dataset.passkeyFailed);
  for (const note of notes) note.hidden = note !== said;
});

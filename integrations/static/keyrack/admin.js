// Copy buttons: <code>value</code> <button data-copy data-copied="…" data-failed="…"> <span role="status">.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-copy]");
  if (!button) return;
  const value = button.previousElementSibling, status = button.nextElementSibling;
  try {
    await navigator.clipboard.writeText(value.textContent);
    status.textContent = button.dataset.copied;
  } catch { // no permission, or no clipboard outside https
    getSelection().selectAllChildren(value);
    status.textContent = button.dataset.failed;
  }
  setTimeout(() => { status.textContent = ""; }, 3000);
});

// A button that copies the text beside it. Without JavaScript the text can be selected.
document.addEventListener("DOMContentLoaded", () => {
  if (!navigator.clipboard) return;
  for (const button of document.querySelectorAll("[data-copy]")) {
    const said = button.querySelector("[data-copied]");
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.previousElementSibling.textContent);
      const before = said.textContent;
      said.textContent = said.dataset.copied;
      setTimeout(() => (said.textContent = before), 2000);
    });
  }
});

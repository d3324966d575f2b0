// A button that copies the text beside it. Without JavaScript the text can be selected.
(() => {
  if (!navigator.clipboard) return

  const show = (part) => part.querySelectorAll("[data-copy]").forEach((button) => (button.hidden = false))
  document.addEventListener("DOMContentLoaded", () => show(document))
  // Parts of a page that refresh by themselves bring theirs.
  document.addEventListener("htmx:load", (event) => show(event.target))

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]")
    if (!button) return
    const said = button.querySelector("[data-copied]"), before = said.textContent
    await navigator.clipboard.writeText(button.previousElementSibling.textContent)
    said.textContent = said.dataset.copied
    setTimeout(() => (said.textContent = before), 2000)
  })
})()

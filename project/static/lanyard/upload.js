// Says at once that a chosen file is too large, and that a long look or import is under way.
(() => {
  for (const form of document.querySelectorAll("form[data-busy]")) {
    const file = form.querySelector("input[type=file]"), wrong = form.querySelector("#file-wrong")
    const tooLarge = () => file && file.files[0] && file.files[0].size > Number(form.dataset.most)
    // The theme's own listener looks for a field beside it that is not here.
    if (file) file.hasChangeListener = true
    if (file) file.addEventListener("change", () => { wrong.textContent = tooLarge() ? form.dataset.tooLarge : "" })
    form.addEventListener("submit", (event) => {
      if (tooLarge() || form.dataset.sent) return event.preventDefault()
      const button = event.submitter
      if (!button || button.name === "drop") return
      form.dataset.sent = "1"
      button.textContent = form.dataset.busy
      button.setAttribute("aria-busy", "true")
    })
    // Back from the next page, the form can be sent again.
    addEventListener("pageshow", (event) => { if (event.persisted) location.reload() })
  }
})()

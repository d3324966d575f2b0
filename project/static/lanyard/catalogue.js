// Narrows the catalogue while typing; Enter opens the only kind that is left. Without JavaScript the form asks
// the server.
(() => {
  const form = document.querySelector("[data-catalogue-find]")
  if (!form) return
  const input = form.querySelector("input"), nothing = document.querySelector("[data-nothing]")
  const kinds = [...document.querySelectorAll("[data-kind]")]

  function narrow() {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean)
    for (const kind of kinds) kind.hidden = !words.every((word) => kind.dataset.kind.includes(word))
    for (const provider of document.querySelectorAll("[data-provider]")) {
      provider.hidden = !provider.querySelector("[data-kind]:not([hidden])")
    }
    nothing.hidden = kinds.some((kind) => !kind.hidden)
  }

  input.addEventListener("input", narrow)
  // What was typed before this script was there.
  if (input.value !== input.defaultValue) narrow()
  form.addEventListener("submit", (event) => {
    const left = kinds.filter((kind) => !kind.hidden)
    if (left.length === 1) {
      event.preventDefault()
      left[0].querySelector("a").click()
    }
  })
})()

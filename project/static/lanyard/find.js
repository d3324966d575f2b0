// Finding from every page: Ctrl+K opens the palette, and so does typing into the box at the top.
// What has the form of a secret never gets into an address: no search is sent with it, of this page or any other
// form here; it is offered to the page for leaked keys, which takes it in the body of a request.
(() => {
  const palette = document.getElementById("palette")
  if (!palette) return
  const secret = new RegExp(palette.dataset.secret)
  const words = palette.querySelector("[data-words]"), input = words.querySelector("input")
  const results = palette.querySelector("[data-results]")
  const leaked = palette.querySelector("[data-leaked]"), text = leaked?.querySelector("textarea")
  let waiting = 0, asking = null, answered = null

  const looksSecret = (value) => secret.test(value)
  const links = () => [...results.querySelectorAll("a")]

  function open(value = "") {
    if (!palette.open) palette.showModal()
    if (looksSecret(value)) return askForSecret(value)
    if (leaked) leaked.hidden = true
    words.hidden = false
    input.value = value
    input.focus()
    look()
  }

  // The secret moves into the form that keeps it out of addresses.
  function askForSecret(value) {
    stop()
    results.replaceChildren()
    input.value = ""
    if (!leaked) return
    words.hidden = true
    leaked.hidden = false
    text.value = value
    ;(value ? leaked.querySelector("[type=submit]") : text).focus()
  }

  function stop() {
    clearTimeout(waiting)
    asking?.abort()
  }

  async function look() {
    stop()
    const value = input.value.trim()
    if (looksSecret(value)) return askForSecret(value)
    asking = new AbortController()
    try {
      const query = new URLSearchParams({ q: value, part: "1" })
      const answer = await fetch(`${palette.dataset.part}?${query}`, { signal: asking.signal })
      // Another page is answered by who is not signed in any more.
      if (!answer.ok || answer.redirected) return location.assign(palette.dataset.part)
      results.innerHTML = await answer.text()
      answered = value
    } catch (error) {
      if (error.name !== "AbortError") answered = null
    }
  }

  function move(step) {
    const all = links(), at = all.indexOf(document.activeElement)
    const next = at + step < 0 ? input : all[at + step]
    next?.focus()
  }

  document.addEventListener("keydown", (event) => {
    if (event.key?.toLowerCase() === "k" && (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey) {
      event.preventDefault()
      open()
    }
  })
  document.addEventListener("lanyard:find", () => open())
  palette.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    if (!step || leaked?.hidden === false) return
    event.preventDefault()
    move(step)
  })
  input.addEventListener("input", () => {
    stop()
    if (looksSecret(input.value)) askForSecret(input.value)
    else waiting = setTimeout(look, 150)
  })
  words.addEventListener("submit", (event) => {
    const first = links()[0]
    if (event.defaultPrevented || answered !== input.value.trim() || !first) return
    event.preventDefault()
    first.click()
  })
  palette.querySelector("[data-close]").addEventListener("click", () => palette.close())
  palette.querySelector("[data-mark]")?.addEventListener("click", () => askForSecret(input.value))
  palette.querySelector("[data-words-again]")?.addEventListener("click", () => open())
  palette.addEventListener("click", (event) => { if (event.target === palette) palette.close() })
  palette.addEventListener("close", () => {
    stop()
    results.replaceChildren()
    input.value = ""
    if (text) text.value = ""
  })
  // Going back must not bring back what was typed.
  window.addEventListener("pagehide", () => { if (text) text.value = "" })

  for (const box of document.querySelectorAll("[data-palette]")) {
    const field = box.querySelector("input")
    const begin = (event) => {
      event.preventDefault()
      const value = field.value
      field.value = ""
      field.blur()
      open(value)
    }
    box.addEventListener("mousedown", begin)
    box.addEventListener("submit", begin)
    field.addEventListener("input", begin)
  }

  // Any other search of a page.
  document.addEventListener("submit", (event) => {
    const form = event.target
    if (form.method !== "get") return
    const field = [...form.elements].find((one) => one.value && one.name && looksSecret(one.value))
    if (!field) return
    event.preventDefault()
    event.stopPropagation()
    const value = field.value
    field.value = ""
    open(value)
  }, true)
})()

// Says while somebody types what does not look like the value that a field asks for. The formats are those that
// the kind declares ([data-formats]); the server checks again and has the last word.
(() => {
  const WAIT = 400
  let timer

  function written(input) {
    let text = input.value.trim()
    if (input.dataset.host !== undefined) {
      const match = /^(?:https?:\/\/)?([a-z0-9.-]+)(?:[/?#].*)?$/i.exec(text)
      if (match) text = match[1].includes(".") ? match[1].toLowerCase() : match[1].toLowerCase() + input.dataset.host
    }
    return text
  }

  // How an id is written in the end, the server knows: an address, or other signs between its parts, are left to it.
  const variants = (input, text) =>
    input.dataset.identifier === undefined ? [text] : [text, text.toUpperCase(), text.replaceAll(" ", "")]

  function judge(input) {
    const text = written(input)
    if (!text || (input.dataset.identifier !== undefined && /[./]/.test(text))) return null
    for (const format of JSON.parse(input.dataset.formats)) {
      const pattern = new RegExp(`^(?:${format.pattern})$`)
      if (!variants(input, text).some((one) => pattern.test(one))) return format
    }
    return null
  }

  function place(input) {
    const id = `${input.id}_format`
    let said = document.getElementById(id)
    if (said) return said
    said = document.createElement("p")
    said.id = id
    said.className = "st-format"
    said.setAttribute("aria-live", "polite")
    input.insertAdjacentElement("afterend", said)
    input.setAttribute("aria-describedby", `${input.getAttribute("aria-describedby") || ""} ${id}`.trim())
    return said
  }

  function say(input) {
    const said = place(input), found = judge(input)
    said.dataset.state = found ? (found.usual ? "odd" : "wrong") : ""
    said.textContent = found ? found.says : ""
    if (found && !found.usual) input.setAttribute("aria-invalid", "true")
    else input.removeAttribute("aria-invalid")
  }

  const asks = (event) => event.target.dataset && event.target.dataset.formats
  document.addEventListener("focusin", (event) => { if (asks(event)) place(event.target) })
  document.addEventListener("input", (event) => {
    if (!asks(event)) return
    clearTimeout(timer)
    // What was wrong and is mended goes at once; what is new waits until the person does.
    if (!judge(event.target)) say(event.target)
    else timer = setTimeout(say, WAIT, event.target)
  })
  document.addEventListener("focusout", (event) => { if (asks(event)) say(event.target) })
})()

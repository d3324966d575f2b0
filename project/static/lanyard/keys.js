// The keyboard on every page. [data-list] holds rows [data-row], each with its link [data-open] and perhaps a
// checkbox; so do the lists of the back office. [data-find] is the search of a page, [data-older] and [data-newer]
// are the links to other pages, #keys tells the keys. find.js opens the palette where a page has no search.
(() => {
  const ROW = "[data-list] [data-row], #result_list tbody tr"
  const rows = () => [...document.querySelectorAll(ROW)].filter((row) => row.checkVisibility())
  const here = () => document.activeElement?.closest?.(ROW)
  const target = (row) => row.querySelector("[data-open]") || row.querySelector("a[href], input[type=checkbox]")
  const box = (row) => row?.querySelector("input[type=checkbox]")

  function move(step) {
    const all = rows()
    const at = all.indexOf(here())
    const next = all[at < 0 ? (step > 0 ? 0 : all.length - 1) : at + step]
    if (!next) return
    target(next)?.focus()
    next.scrollIntoView({ block: "nearest" })
  }

  function find() {
    const own = document.querySelector("input[data-find], [data-find] input, #searchbar")
    if (!own?.checkVisibility()) return document.dispatchEvent(new Event("lanyard:find"))
    own.focus()
    own.select()
  }

  const acts = {
    "/": find,
    j: () => move(1),
    k: () => move(-1),
    x: () => box(here())?.click(),
    n: () => document.querySelector("[data-older]")?.click(),
    p: () => document.querySelector("[data-newer]")?.click(),
    "?": () => document.getElementById("keys")?.showModal(),
  }

  document.addEventListener("keydown", (event) => {
    const at = event.target
    const typing = at.isContentEditable || (at.matches?.("input, select, textarea") && at.type !== "checkbox")
    const open = document.querySelector("dialog[open]")
    if (typing || open || event.ctrlKey || event.metaKey || event.altKey || !acts[event.key]) return
    event.preventDefault()
    acts[event.key]()
  })

  // Fields that are empty need not stand in the address.
  document.addEventListener("submit", (event) => {
    if (event.defaultPrevented || !event.target.matches("form[role=search]")) return
    for (const field of event.target.elements) if (field.name && !field.value) field.disabled = true
  })
  window.addEventListener("pageshow", () => {
    for (const field of document.querySelectorAll("form[role=search] :disabled")) field.disabled = false
  })

  // What is chosen: how many, all of a page at once, and a stretch of rows with the shift key.
  const form = document.querySelector("[data-chosen]")
  if (!form?.querySelector("[data-acts]")) return
  const boxes = [...form.querySelectorAll("[data-row] input[type=checkbox]")]
  const all = form.querySelector("[data-all]"), everything = form.querySelector("[name=everything]")
  const acting = form.querySelector("[data-acts]"), number = form.querySelector("[data-number]")
  let before = null

  function tell() {
    const count = boxes.filter((one) => one.checked).length
    all.checked = count === boxes.length
    all.indeterminate = count > 0 && !all.checked
    acting.hidden = !count && !everything?.checked
    number.textContent = count === 1 ? number.dataset.one : number.dataset.many.replace("%s", count)
    number.hidden = Boolean(everything?.checked)
  }

  form.addEventListener("click", (event) => {
    const at = boxes.indexOf(event.target)
    if (at < 0) return
    if (event.shiftKey && before !== null) {
      const [first, last] = [Math.min(at, before), Math.max(at, before)]
      for (const one of boxes.slice(first, last + 1)) one.checked = boxes[at].checked
    }
    before = at
  })
  all.hidden = false
  all.addEventListener("change", () => { for (const one of boxes) one.checked = all.checked })
  form.addEventListener("change", tell)
  window.addEventListener("pageshow", tell)
  tell()
})()

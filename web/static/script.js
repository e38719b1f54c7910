// The pages work without this. It completes fields and values in the search, brings "/" to
// it, lets a time be chosen by dragging over a histogram, and decides in the inbox by keys.
"use strict";
const q = document.getElementById("q");
const list = document.getElementById("completions");
if (q && list) {
  let waiting;
  q.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(async () => {
      const text = q.value;
      const answer = await fetch("/v1/complete?text=" + encodeURIComponent(text));
      if (!answer.ok || text !== q.value) return;
      list.replaceChildren(...(await answer.json()).map((value) => {
        const option = document.createElement("option");
        option.value = value;
        return option;
      }));
    }, 120);
  });
  document.addEventListener("keydown", (e) => {
    if (e.key === "/" && !/^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement.tagName)) {
      e.preventDefault();
      q.focus();
      q.select();
    }
  });
}
const form = document.querySelector("form.search");
const plot = form && document.querySelector(".histogram svg.plot");
if (plot) {
  const bars = [...plot.querySelectorAll("a[data-from]")];
  const middle = (bar) => { const box = bar.getBoundingClientRect(); return (box.left + box.right) / 2; };
  let start = null;
  const chosen = (end) => bars.filter((bar) => middle(bar) >= Math.min(start, end) && middle(bar) <= Math.max(start, end));
  plot.closest("figure").classList.add("brushed");
  plot.addEventListener("dragstart", (e) => e.preventDefault());
  plot.addEventListener("pointerdown", (e) => { if (e.button === 0) start = e.clientX; });
  addEventListener("pointermove", (e) => {
    if (start === null) return;
    const within = Math.abs(e.clientX - start) > 6 ? chosen(e.clientX) : [];
    bars.forEach((bar) => bar.classList.toggle("within", within.includes(bar)));
  });
  addEventListener("pointerup", (e) => {
    if (start === null) return;
    const within = Math.abs(e.clientX - start) > 6 ? chosen(e.clientX) : [];
    start = null;
    if (!within.length) return;
    addEventListener("click", (e) => e.preventDefault(), { once: true, capture: true }); // it is no click on a bar
    for (const [name, value] of [["from", within[0].dataset.from], ["to", within.at(-1).dataset.to]]) {
      form.elements[name].type = "text"; // it may have hours
      form.elements[name].value = value;
    }
    form.elements.since.value = "";
    form.requestSubmit();
  });
}
const items = [...document.querySelectorAll(".inbox > li")];
if (items.length) {
  // j and k move between items. a, r and o count only in an item, so that no stray key decides.
  const press = (item, verdict) => item.querySelector(`button[value=${verdict}]`)?.click();
  document.addEventListener("keydown", (e) => {
    const from = document.activeElement;
    if (e.ctrlKey || e.metaKey || e.altKey || e.repeat || /^(INPUT|TEXTAREA|SELECT)$/.test(from.tagName)) return;
    const item = from.closest(".inbox > li");
    const at = items.indexOf(item);
    const next = { j: Math.min(at + 1, items.length - 1), k: Math.max(at - 1, 0) }[e.key];
    if (next !== undefined) {
      items[next].focus();
      items[next].scrollIntoView({ block: "nearest" });
    } else if (item && e.key === "a") {
      press(item, "approve");
    } else if (item && e.key === "o") {
      item.querySelector("h2 a")?.click();
    } else if (item && e.key === "r") {
      const reason = item.querySelector("[name=reason]");
      if (!reason) return;
      reason.focus();
      reason.addEventListener("keydown", (e) => {
        if (e.key !== "Enter" || e.shiftKey) return;
        e.preventDefault();
        if (reason.value.trim()) press(item, "refuse");
      });
    } else {
      return;
    }
    e.preventDefault();
  });
}

/* Returning to the same place in a list of clips. */
(() => {
  // The list grows as it is scrolled, but its URL names the first page. Before a link of a card is followed, put that
  // card's page there.
  document.addEventListener("click", (event) => {
    const item = event.target.closest(".cards a") && event.target.closest("#cards > li");
    if (!item || event.ctrlKey || event.metaKey || event.shiftKey) return; // it opens in a new tab
    const firsts = [...document.querySelectorAll("#cards > li[data-page]")];
    const first = firsts.filter((one) => !(one.compareDocumentPosition(item) & Node.DOCUMENT_POSITION_PRECEDING)).pop();
    const query = first?.dataset.page.replace(/&$/, "");
    history.replaceState(history.state, "", `${location.pathname}${query ? `?${query}` : ""}#${item.id}`);
    history.scrollRestoration = "manual"; // the remembered scroll offset belongs to the longer list
  });

  // Back on it: the address says where. From here on the browser's own memory is right again, so a reload stays in place.
  window.addEventListener("load", () => {
    if (history.scrollRestoration !== "manual") return;
    const item = document.getElementById(location.hash.slice(1));
    item?.scrollIntoView({ block: "center" });
    setTimeout(() => { history.scrollRestoration = "auto"; });
  });
})();

/* What moves by itself: the clip of a page, and the previews of cards. Nothing does under reduced motion or Save-Data. */

(() => {
  "use strict";

  const stillness = window.matchMedia("(prefers-reduced-motion: reduce)");
  const hasNoPointer = window.matchMedia("(hover: none)");
  const mayMove = () => !stillness.matches && !navigator.connection?.saveData;

  /* --- The clip of a page: it loops, muted, once it is there; what was paused stays so ----------------------------------- */

  const PLAYERS = ".watch__screen > video, .job-page .screen > video";
  const started = new WeakSet();

  const startPlayers = () => {
    document.querySelectorAll(PLAYERS).forEach((video) => {
      if (started.has(video) || !mayMove()) return;
      started.add(video);
      video.muted = true; // browsers let nothing else begin by itself
      video.play().catch(() => {}); // or its file is not there
    });
  };

  // An animated picture cannot be paused: a still one is in its place until it may move, and again when it may not.
  const PICTURES = ".job-page .screen > img[data-moving]";
  const showPictures = () => {
    document.querySelectorAll(PICTURES).forEach((picture) => {
      const source = mayMove() ? picture.dataset.moving : picture.dataset.still;
      if (picture.getAttribute("src") !== source) picture.src = source;
    });
  };

  /* --- Cards: under the pointer, in focus, or, where nothing hovers, in the middle of the screen --------------------------- */

  const startPreview = (card) => {
    const screen = card.querySelector(".screen");
    if (!mayMove() || !card.dataset.preview || screen.querySelector(".card__preview")) return;
    const moving = new Image();
    moving.className = "card__preview";
    moving.alt = "";
    moving.addEventListener("error", () => moving.remove());
    moving.src = card.dataset.preview;
    screen.querySelector("img").after(moving);
  };
  const stopPreview = (card) => card.querySelector(".card__preview")?.remove();

  const cardOf = (event) => event.target.closest?.(".card[data-preview]");
  for (const type of ["mouseover", "focusin"]) {
    document.addEventListener(type, (event) => {
      const card = cardOf(event);
      if (card) startPreview(card);
    });
  }
  for (const type of ["mouseout", "focusout"]) {
    document.addEventListener(type, (event) => {
      const card = cardOf(event);
      if (card && !card.contains(event.relatedTarget)) stopPreview(card);
    });
  }

  const inView = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) isIntersecting ? startPreview(target) : stopPreview(target);
  }, { rootMargin: "-25% 0px", threshold: 0.5 });
  const watchCards = () => {
    if (!hasNoPointer.matches) return;
    document.querySelectorAll(".card[data-preview]").forEach((card) => inView.observe(card)); // each only once
  };

  /* --- Pages change while they are open ------------------------------------------------------------------------------------ */

  const look = () => { startPlayers(); showPictures(); watchCards(); };
  look();
  new MutationObserver(look).observe(document.getElementById("main"), { childList: true, subtree: true });
  stillness.addEventListener("change", () => {
    if (mayMove()) return look();
    showPictures();
    document.querySelectorAll(PLAYERS).forEach((video) => video.pause());
    document.querySelectorAll(".card").forEach(stopPreview);
  });
})();

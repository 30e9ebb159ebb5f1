/* The compare page: clips that play in step, a slider over two of them, and clips that join when they are rendered. */

(() => {
  "use strict";

  const page = document.querySelector("[data-compare]");
  if (!page) return;

  const FAR = 0.3; // seconds from the others from which a clip jumps; below, it is played a little faster or slower
  const NEAR = 0.012; // close enough
  const TICK = 100; // ms
  const PATIENCE = 5000; // ms to wait for clips that load slowly; later ones join when all start again

  const videos = () => [...page.querySelectorAll("video")].filter((video) => !video.closest(".job") && !video.error);
  const isReady = (video) => video.readyState >= HTMLMediaElement.HAVE_FUTURE_DATA;

  /* --- Playing in step ------------------------------------------------------------------------------------------------ */

  const button = page.querySelector("[data-play]");
  const words = { play: button.textContent, pause: button.dataset.pause };
  let wanted = false;
  let round = 0; // raised by whatever makes a start that is under way obsolete
  let playing = [];

  const prepare = () => {
    for (const video of videos()) {
      video.muted = true;
      video.loop = video.controls = false; // all start again together
    }
  };

  const load = (video) => new Promise((resolve) => {
    if (isReady(video)) return resolve();
    for (const type of ["canplay", "error"]) video.addEventListener(type, resolve, { once: true });
    video.preload = "auto";
    if (video.networkState !== HTMLMediaElement.NETWORK_LOADING) video.load();
  });

  const rewind = (video) => new Promise((resolve) => {
    video.pause();
    video.playbackRate = 1;
    if (video.currentTime === 0 && !video.seeking) return resolve();
    for (const type of ["seeked", "error"]) video.addEventListener(type, resolve, { once: true });
    video.currentTime = 0;
  });

  const start = async () => {
    const mine = ++round;
    playing = [];
    const loaded = Promise.all(videos().map(load));
    await Promise.race([loaded, new Promise((resolve) => { setTimeout(resolve, PATIENCE); })]);
    if (mine !== round) return;
    playing = videos().filter(isReady);
    await Promise.all(playing.map(rewind));
    if (mine !== round) return;
    try {
      await Promise.all(playing.map((video) => video.play()));
    } catch {
      if (mine === round) show(false); // the browser wants a click first
    }
  };

  const stop = () => {
    round += 1;
    videos().forEach((video) => video.pause());
  };

  const middle = (numbers) => numbers.sort((one, other) => one - other)[Math.floor(numbers.length / 2)];

  const steer = () => {
    const moving = playing.filter((video) => !video.paused && !video.seeking && isReady(video));
    if (moving.length < 2) return;
    const present = middle(moving.map((video) => video.currentTime));
    for (const video of moving) {
      const behind = present - video.currentTime;
      if (Math.abs(behind) > FAR) video.currentTime = present;
      else video.playbackRate = Math.abs(behind) < NEAR ? 1 : 1 + Math.max(-0.3, Math.min(0.3, 3 * behind));
    }
  };

  setInterval(() => {
    if (!wanted || document.hidden || !playing.length) return;
    playing = playing.filter((video) => video.isConnected && !video.error);
    if (playing.every((video) => video.ended)) start();
    else steer();
  }, TICK);

  const show = (isWanted) => {
    wanted = isWanted;
    button.textContent = wanted ? words.pause : words.play;
    page.toggleAttribute("data-playing", wanted);
    // An animated picture cannot be paused, so a still one takes its place.
    page.querySelectorAll("img[data-moving]").forEach((image) => {
      const source = wanted ? image.dataset.moving : image.dataset.still;
      if (image.getAttribute("src") !== source) image.src = source;
    });
    if (wanted) start();
    else stop();
  };

  button.addEventListener("click", () => show(!wanted));
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) stop();
    else if (wanted) start();
  });

  const stillness = window.matchMedia("(prefers-reduced-motion: reduce)");
  const mayMove = () => !stillness.matches && navigator.connection?.saveData !== true;
  stillness.addEventListener("change", () => { if (!mayMove()) show(false); });

  /* --- The slider ----------------------------------------------------------------------------------------------------- */

  const cut = () => {
    const slider = page.querySelector("[data-slider]");
    if (!slider) return;
    const range = slider.querySelector("input");
    const picture = slider.querySelector("[width]");
    slider.style.setProperty("--ratio", picture.getAttribute("width") / picture.getAttribute("height"));
    slider.style.setProperty("--cut", `${range.value}%`);
  };
  page.addEventListener("input", (event) => { if (event.target.closest("[data-slider]")) cut(); });

  /* --- Clips that are rendered meanwhile ------------------------------------------------------------------------------- */

  const isDone = (cell) => cell.querySelector(".job")?.dataset.status === "done";
  const waiting = () => [...page.querySelectorAll("[data-rendering]")].filter(isDone);

  // The live card says that a clip is done; the clip itself comes from this page, as anyone who opened it now would see it.
  let isFetching = false;
  const join = async () => {
    if (isFetching || !waiting().length) return;
    isFetching = true;
    try {
      const answer = await fetch(location.href, { cache: "no-store" });
      if (!answer.ok) throw new Error(answer.statusText);
      replace(new DOMParser().parseFromString(await answer.text(), "text/html"));
    } catch { /* the next try may succeed */ }
    isFetching = false;
    if (waiting().length) setTimeout(join, 2000);
  };

  const replace = (fresh) => {
    const done = waiting();
    for (const cell of done) {
      const next = fresh.getElementById(cell.id);
      if (!next) delete cell.dataset.rendering; // deleted meanwhile, or the user has signed out: nothing will join
      if (!next || "rendering" in next.dataset) continue;
      const hadFocus = cell.contains(document.activeElement);
      cell.replaceWith(next);
      window.htmx?.process(next);
      if (hadFocus) next.querySelector(".buttons :is(a, button)")?.focus({ preventScroll: true });
    }
    const slider = fresh.getElementById("slider");
    if (slider && !page.querySelector("[data-slider]")) page.querySelector("#slider").replaceWith(slider);
    const count = fresh.querySelector(".compare__bar p");
    if (count) page.querySelector(".compare__bar p").replaceWith(count);
    prepare();
    cut();
    if (wanted) show(true);
  };

  new MutationObserver(join).observe(page, { subtree: true, attributes: true, attributeFilter: ["data-status"] });

  /* --- Selecting ------------------------------------------------------------------------------------------------------- */

  const count = () => {
    const shown = document.querySelector("[data-selected]");
    if (shown) shown.textContent = page.querySelectorAll(".card__choose:checked").length;
  };
  page.addEventListener("change", count);
  window.addEventListener("pageshow", count); // going back to a page restores its checkboxes

  prepare();
  cut();
  join();
  if (mayMove()) show(true);
})();

/* What a tab in the background shows and plays: a ring on its icon while clips render, and a sound when one has ended, if
   the user wants that. jobs.js tells of every change of the panel, before which the page looks at it once. */

(() => {
  "use strict";

  /* --- The icon. From files, since the Content-Security-Policy allows no data: and no blob: ---------------------------- */

  const { icons, done } = document.currentScript.dataset;
  const rings = icons.trim().split(/\s+/);
  const icon = document.querySelector("link[rel=icon]");
  const own = icon?.href;
  let endedWhileAway = false;

  const showIcon = (running) => {
    if (!icon) return;
    const share = running.reduce((sum, permille) => sum + permille, 0) / (running.length * 1000);
    const ring = rings[Math.min(rings.length - 1, Math.floor(share * rings.length))];
    const wanted = running.length ? ring : endedWhileAway ? done : own;
    if (icon.getAttribute("href") !== wanted) icon.setAttribute("href", wanted);
  };

  let running = [...document.querySelectorAll('.active__row[data-status="running"]')].map((row) => Number(row.dataset.progress));
  showIcon(running);

  document.addEventListener("jobs:panel", ({ detail }) => {
    running = detail.running;
    if (detail.ended.length) {
      endedWhileAway ||= document.hidden;
      chime(detail.ended);
    }
    showIcon(running);
  });

  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) endedWhileAway = false;
    showIcon(running);
  });

  /* --- The sound: two soft tones, made here. Off unless switched on in this browser -------------------------------------- */

  const memory = {
    get: (name) => { try { return localStorage.getItem(name); } catch { return null; } },
    set: (name, value) => { try { localStorage.setItem(name, value); } catch { /* it is not remembered */ } },
  };
  let audio = null;

  const tone = (frequency, after) => {
    const [oscillator, gain, begin] = [audio.createOscillator(), audio.createGain(), audio.currentTime + after];
    oscillator.frequency.value = frequency;
    gain.gain.setValueAtTime(0, begin);
    gain.gain.linearRampToValueAtTime(0.18, begin + 0.02);
    gain.gain.exponentialRampToValueAtTime(0.0001, begin + 0.7);
    oscillator.connect(gain).connect(audio.destination);
    oscillator.start(begin);
    oscillator.stop(begin + 0.75);
  };

  const play = async () => {
    audio ??= new AudioContext();
    if (audio.state === "suspended") await audio.resume();
    tone(659.26, 0);
    tone(987.77, 0.14);
  };

  // Of several tabs, the first plays. Locks exist only where the connection is safe; elsewhere two may, at once.
  const chime = (ended) => {
    if (memory.get("sound") !== "yes" || !("AudioContext" in window)) return;
    const first = async () => {
      const before = (memory.get("sounded") ?? "").split("|");
      if (ended.every((one) => before.includes(one))) return;
      memory.set("sounded", [...ended, ...before].slice(0, 20).join("|"));
      await play().catch(() => { /* the browser wants a click on this page first */ });
    };
    if (navigator.locks) navigator.locks.request("auravideo-sound", first);
    else first();
  };

  document.addEventListener("click", (event) => {
    const choice = event.target.closest("[data-sound]");
    if (!choice) return;
    const wanted = memory.get("sound") !== "yes";
    memory.set("sound", wanted ? "yes" : "no");
    choice.setAttribute("aria-checked", String(wanted));
    if (wanted) play().catch(() => {}); // so that the user hears what it will be, and the browser has seen a click
  });
  const choice = document.querySelector("[data-sound]");
  choice?.setAttribute("aria-checked", String(memory.get("sound") === "yes"));
})();

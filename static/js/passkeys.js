/* Error messages of passkeys. The rest is allauth's own mfa/js/webauthn.js. */

(() => {
  "use strict";

  const problem = document.querySelector("[data-passkey-problem]");
  const kinds = { NotAllowedError: "cancelled", AbortError: "cancelled", InvalidStateError: "known", SecurityError: "address" };

  document.addEventListener("allauth.error", (event) => {
    event.preventDefault();
    const fallback = window.PublicKeyCredential ? "other" : window.isSecureContext ? "unsupported" : "address";
    problem.textContent = problem.dataset[kinds[event.detail.exception?.name] ?? fallback];
    problem.hidden = false;
  });
  document.addEventListener("click", () => { problem.hidden = true; });
})();

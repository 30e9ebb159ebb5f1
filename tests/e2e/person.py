"""A person at a browser who has an account, one language and a mailbox."""

import email
import re
import time
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from tests.site import PASSWORD

# The texts of pages and emails, kept apart from the translation catalogue, which could be lost or empty.
POLISH = {
    "You already have an account": "Masz już konto",
    "1 request": "1 zlecenie",
    "1 clip": "1 klip",
    "We sent a confirmation link to": "Wysłaliśmy link potwierdzający na adres",
    "Add": "Dodaj",
    "Back to sign-in": "Wróć do logowania",
    "Change password": "Zmień hasło",
    "Change your password": "Zmień hasło",
    "Choose a new password": "Wybierz nowe hasło",
    "Code from the app": "Kod z aplikacji",
    "Code from your app, or a recovery code": "Kod z aplikacji lub kod odzyskiwania",
    "Welcome back?": "Wracasz?",
    "Confirm": "Potwierdź",
    "Confirm your email address": "Potwierdź swój adres e-mail",
    "Deactivate account": "Dezaktywuj konto",
    "Deactivate your account": "Dezaktywacja konta",
    "Delete everything": "Usuń wszystko",
    "Delete account": "Usuń konto",
    "Delete your account": "Usunięcie konta",
    "Download your data": "Pobierz swoje dane",
    "Email address": "Adres e-mail",
    "Forgot it?": "Nie pamiętasz?",
    "Forgot your password?": "Nie pamiętasz hasła?",
    "Hello,": "Dzień dobry,",
    "If it was not you, do nothing": "Jeśli to nie Ty, nie rób nic",
    "If it was not you, do nothing.": "Jeśli to nie Ty, nie rób nic.",
    "Incorrect code.": "Błędny kod.",
    "Incorrect password.": "Niewłaściwe hasło.",
    "Is it you?": "Czy to Ty?",
    "Check your email": "Zajrzyj do skrzynki",
    "Sign up": "Załóż konto",
    "Make it your main address": "Ustaw jako główny",
    "New address": "Nowy adres",
    "New password": "Nowe hasło",
    "Password": "Hasło",
    "Please type your current password.": "Proszę wpisz swoje obecne hasło.",
    "Current password": "Obecne hasło",
    "Profile": "Profil",
    "Recovery codes": "Kody odzyskiwania",
    "Remove": "Usuń",
    "Repeat the password": "Powtórz hasło",
    "Save": "Zapisz",
    "Send the link": "Wyślij link",
    "Set password": "Ustaw hasło",
    "Set up": "Skonfiguruj",
    "Set up an authenticator app": "Skonfiguruj aplikację uwierzytelniającą",
    "Settings": "Ustawienia",
    "Sign in": "Zaloguj się",
    "Sign out": "Wyloguj się",
    "Stay signed in": "Nie wylogowuj mnie",
    "Switch on": "Włącz",
    "The account is closed immediately": "Konto zostanie zamknięte od razu",
    "Second factor": "Drugi składnik",
    "The sign-in details you specified are not correct.": "Podane dane logowania są nieprawidłowe.",
    "This username is reserved for the operator of the site. Choose another one.": (
        "Ta nazwa użytkownika jest zarezerwowana dla operatora serwisu. Wybierz inną."
    ),
    "This cannot be undone.": "Tego nie da się cofnąć.",
    "This is now your main address.": "To jest teraz Twój adres główny.",
    "This link no longer works": "Ten link już nie działa",
    "To confirm that it is yours, open this link:": "Aby potwierdzić, że to Twój adres, otwórz ten link:",
    "Two-factor sign-in": "Logowanie dwuskładnikowe",
    "Username": "Nazwa użytkownika",
    "Username or email address": "Nazwa użytkownika lub adres e-mail",
    "Welcome back. Everything is as you left it.": "Witaj ponownie. Wszystko jest tak, jak było.",
    "What do you want to see?": "Co chcesz zobaczyć?",
    "Reactivate my account": "Aktywuj moje konto ponownie",
    "Yes, confirm": "Tak, potwierdzam",
    "Your account is closed": "Twoje konto jest zamknięte",
    "Your account is deactivated.": "Twoje konto jest dezaktywowane.",
    "Your data and leaving": "Twoje dane i odejście",
    "Your email addresses": "Twoje adresy e-mail",
    "Your new password is set": "Nowe hasło zostało ustawione",
    "Your new password is set.": "Nowe hasło zostało ustawione.",
    "Your password": "Twoje hasło",
    "Your profile": "Twój profil",
    "Profile saved.": "Profil został zapisany.",
    "full name": "imię i nazwisko",
    "is confirmed": "jest potwierdzony",
    "language": "język",
    "not confirmed": "niepotwierdzony",
    "someone asked for a new password for your account": "ktoś poprosił o nowe hasło do Twojego konta",
    "theme": "motyw",
    "this email address was given for the account": "ten adres e-mail podano dla konta",
}


class Person:
    """A person at a browser in one language, who reads the pages and the emails they get."""

    def __init__(self, page: Page, letters: Path, language: str, name: str) -> None:
        self.page, self.main, self.letters = page, page.get_by_role("main"), letters
        self.language, self.name, self.email = language, name, f"{name}@example.org"
        self.read: set[str] = set()  # IDs of emails
        self.banner = page.get_by_role("banner")
        self.account_menu = self.banner.locator("summary").filter(has_text=name)

    def say(self, words: str) -> str:
        return words if self.language == "en" else POLISH[words]

    def reads(self, heading: str, *words: str) -> None:
        """Expect this heading and these words on the page, in the person's language."""
        expect(self.main.get_by_role("heading", level=1)).to_have_text(self.say(heading))
        expect(self.page.locator("html")).to_have_attribute("lang", self.language)
        for text in words:
            expect(self.main).to_contain_text(self.say(text))

    def type(self, fields: dict[str, str]) -> None:
        for label, text in fields.items():
            self.field(label).fill(text)

    def field(self, label: str) -> Locator:
        return self.main.get_by_label(re.compile(rf"^{re.escape(self.say(label))}( \(.*\))?$", re.IGNORECASE))

    def press(self, name: str, which: str = "") -> None:
        """Press the button with this name; of several, the one for `which`."""
        self.main.get_by_role("button", name=f"{self.say(name)} {which}".strip(), exact=True).click()

    def follow(self, name: str) -> None:
        self.main.get_by_role("link", name=self.say(name), exact=True).click()

    def open_settings(self, name: str) -> None:
        self.account_menu.click()
        self.banner.get_by_role("link", name=self.say("Settings")).click()
        self.reads("Your profile")
        if name != "Profile":
            self.page.get_by_role("navigation", name=self.say("Settings")).get_by_role(
                "link", name=self.say(name), exact=True
            ).click()

    def sign_in(self, name: str = "", password: str = PASSWORD, *, remember: bool = False) -> None:
        self.page.goto("/accounts/login/")
        self.reads("Sign in")
        self.type({"Username or email address": name or self.name, "Password": password})
        if remember:
            self.field("Stay signed in").check()
        self.press("Sign in")

    def proves_again(self, password: str) -> None:
        """Confirm the password: sensitive account changes require it even just after signing in."""
        self.reads("Is it you?")
        self.type({"Password": password})
        self.press("Confirm")

    def is_signed_in(self) -> None:
        expect(self.page).to_have_url(re.compile("/create/$"))
        expect(self.banner).to_contain_text(self.name)
        self.reads("What do you want to see?")

    def sign_out(self) -> None:
        self.account_menu.click()
        self.banner.get_by_role("button", name=self.say("Sign out")).click()
        self.is_signed_out()

    def is_signed_out(self) -> None:
        expect(self.banner.get_by_role("link", name=self.say("Sign up"))).to_be_visible()
        expect(self.page.locator("html")).to_have_attribute("lang", self.language)

    def is_shut_out(self) -> None:
        self.is_signed_out()
        self.page.goto("/create/")
        self.reads("Sign in")

    def link_in_letter(self, subject: str, *words: str, to: str = "") -> str:
        """Return the link in the newest email with this subject, expecting these words in it."""
        letter = self._new_letter(f"AuraVideo: {self.say(subject)}", to or self.email)
        text = letter.get_content()
        for expected in ("Hello,", *words):
            assert self.say(expected) in text
        assert self.name in text
        (link,) = re.findall(r"https?://\S+", text)
        return link

    def gets_letter(self, subject: str, to: str) -> None:
        """Expect an email without looking at what it says."""
        self._new_letter(f"AuraVideo: {self.say(subject)}", to)

    def _new_letter(self, subject: str, to: str) -> EmailMessage:
        """Wait for an email that was not read yet; a worker writes it."""
        deadline = time.monotonic() + 120
        while True:
            for letter in _letters(self.letters):
                if (letter["to"], letter["subject"]) == (to, subject) and letter["message-id"] not in self.read:
                    self.read.add(letter["message-id"])
                    return letter
            assert time.monotonic() < deadline, f"no email to {to}: {subject}"
            time.sleep(0.2)


def _letters(folder: Path) -> list[EmailMessage]:
    """Return the emails, newest first. Django writes a file per connection and a line of dashes after each email."""
    files = sorted(folder.glob("*.log"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    parts = [part for path in files for part in path.read_bytes().split(b"-" * 79) if part.strip()]
    return [email.message_from_bytes(part.lstrip(), policy=default) for part in parts]

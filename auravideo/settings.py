"""Site settings, read from the environment and auravideo.env (docs/operating.md lists every variable).

By default, everything lives in one folder: SQLite, a private Redis and local storage. The bundled models are used.
"""

import logging
import os
import sys
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from django.core.exceptions import ImproperlyConfigured

from auravideo import address, languages, security
from auravideo import environment as env
from auravideo.core.computing import libraries
from auravideo.core.logs import lines
from auravideo.server import crew
from generation.catalogue import card_memory
from generation.requests import limits

BASE_DIR = Path(__file__).resolve().parent.parent
env.load_file(BASE_DIR)
HOME = env.home(BASE_DIR)
# Of all that the site creates, in every one of its processes: closed to other users, if need be open to the group.
UMASK = int(env.choice("AURAVIDEO_UMASK", "077", ("077", "027", "007", "022")), 8)
os.umask(UMASK)
FILE_UPLOAD_PERMISSIONS = 0o666 & ~UMASK

DEBUG = env.boolean("DEBUG", False)
SECRET_KEY = env.secret_key(HOME)
# Former keys: what they signed or encrypted is still accepted. Separated by commas.
SECRET_KEY_FALLBACKS = [key.strip() for key in env.secret("SECRET_KEY_FALLBACKS").split(",") if key.strip()]
SECRET_KEY_IS_GENERATED = not env.secret("SECRET_KEY")
HOST = address.listening("HOST", "127.0.0.1")
PORT = env.integer("PORT", 8000, 1, 65535)
# The one address that people use. Hosts, origins, HTTPS (below) and absolute links (core/links.py) follow from it.
SITE = address.site("SITE_URL")
SITE_URL = SITE.origin if SITE else ""
ALLOWED_HOSTS = address.hosts("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"], SITE)
CSRF_TRUSTED_ORIGINS = address.origins("CSRF_TRUSTED_ORIGINS", SITE)
# Of a container: the address and port of its machine at which it is published. Elsewhere, HOST says it.
PUBLISHED = env.text("AURAVIDEO_PUBLISHED")
CSRF_FAILURE_VIEW = "auravideo.refusals.refused_forms.refused"

# --- Applications ---------------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "auravideo",  # first, because it replaces a command of Django's
    "daphne",
    "accounts.apps.AdministrationConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "channels",
    "csp",
    "django_htmx",
    "django_structlog",
    "allauth",
    "accounts.apps.EmailAddressesConfig",
    "accounts.apps.SecondFactorsConfig",
    "accounts.apps.SessionsConfig",
    "accounts",
    "generation",
    "gallery",
]

MIDDLEWARE = [
    "auravideo.health.middleware.ProbeMiddleware",
    "auravideo.metrics.answer_scrapes",
    "auravideo.refusals.measuring.measure_computing",
    "auravideo.core.metrics.requests.count_requests",
    "auravideo.core.logs.ids.RequestIds",
    "auravideo.core.middleware.in_utf_8",
    "auravideo.refusals.redirect_loop.stop_redirect_loops",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "django_permissions_policy.PermissionsPolicyMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "auravideo.core.middleware.TextGZipMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "auravideo.core.addresses.links.absolute_links",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "accounts.security.sessions.note_use",
    "accounts.sign_in.devices.remember_device",
    "accounts.preferences.ProfileLanguageMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "auravideo.core.middleware.HtmxLoginMiddleware",
    "auravideo.core.middleware.in_readers_zone",
    "auravideo.core.middleware.in_one_thread",
]

ROOT_URLCONF = "auravideo.urls"
ASGI_APPLICATION = "auravideo.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "accounts.preferences.context",
                "accounts.joining.context.joining",
                "generation.jobs.context_processors.jobs_panel",
            ],
            "libraries": {name: f"auravideo.core.templatetags.{name}" for name in ("durations", "moments", "shapes")},
        },
    },
]

# --- Data -----------------------------------------------------------------------------------------------------------

DATABASES = {"default": env.database(HOME)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = env.redis_url()
REDIS_SOCKET = env.redis_socket(HOME)  # used if REDIS_URL is not set


def redis_url(database: int, *, celery: bool = False) -> str:
    """Return the URL of a numbered Redis database; Celery spells socket URLs differently."""
    if not REDIS_URL:
        scheme, query = ("redis+socket", "virtual_host") if celery else ("unix", "db")
        # Django splits the addresses of a cache at commas and semicolons, but leaves them alone when quoted.
        return f"{scheme}://{quote(str(REDIS_SOCKET))}?{query}={database}"
    if REDIS_URL.startswith("unix://"):
        path = REDIS_URL.removeprefix("unix://").split("?")[0]
        return f"redis+socket://{path}?virtual_host={database}" if celery else f"unix://{path}?db={database}"
    parts = urlsplit(REDIS_URL)
    query = parts.query
    if parts.scheme == "rediss" and "ssl_cert_reqs" not in query:  # required by Celery
        query = "&".join(filter(None, [query, "ssl_cert_reqs=required"]))
    return urlunsplit((parts.scheme, parts.netloc, f"/{database}", query, ""))


REDIS_EVENTS_URL = redis_url(2)  # the channel layer, which stores nothing: it only passes messages on
REDIS_METRICS_URL = redis_url(2)
CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": redis_url(3)}}
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [REDIS_EVENTS_URL]},
    }
}

S3_ENDPOINT_URL = env.url("S3_ENDPOINT_URL", ("http", "https"))
S3_BUCKET = env.matching("S3_BUCKET", "", r"(arn:[\w:/.-]+|[A-Za-z0-9][\w.-]{1,254})", "auravideo-clips")
S3_REGION = env.matching("S3_REGION", "us-east-1", "[A-Za-z0-9._-]+", "eu-central-1")
S3_PUBLIC_ENDPOINT_URL = env.url("S3_PUBLIC_ENDPOINT_URL", ("http", "https"))
S3_ADDRESSING = env.choice("S3_ADDRESSING", "path", ("path", "virtual"))
S3_CHECKSUMS = env.choice("S3_CHECKSUMS", "when_supported", ("when_supported", "when_required"))
S3_CA_BUNDLE = env.file("S3_CA_BUNDLE")
S3_CONNECT_TIMEOUT = env.integer("S3_CONNECT_TIMEOUT", 5, 1, 300)  # seconds
S3_READ_TIMEOUT = env.integer("S3_READ_TIMEOUT", 30, 1, 3600)
S3_ATTEMPTS = env.integer("S3_ATTEMPTS", 4, 1, 20)
S3_FRAMES_DAYS = env.integer("S3_FRAMES_DAYS", 14, 2, 365)
# How browsers get videos: from a signed address of the storage, or through the site if they cannot reach the storage.
S3_DELIVERY = env.choice("S3_DELIVERY", "redirect", ("redirect", "site"))
SIGNED_ADDRESS_SECONDS = 300


def _local_storage(folder: str) -> dict:
    options = {"location": str(HOME / folder), "allow_overwrite": True, "base_url": None}
    return {"BACKEND": "auravideo.core.storage.FolderStorage", "OPTIONS": options}


def _s3_storage(endpoint: str) -> dict:
    options = {
        "bucket_name": S3_BUCKET,
        "endpoint_url": endpoint or None,
        "access_key": env.secret("S3_ACCESS_KEY_ID"),
        "secret_key": env.secret("S3_SECRET_ACCESS_KEY"),
        "region_name": S3_REGION,
        "addressing_style": S3_ADDRESSING,
        "signature_version": "s3v4",
        "file_overwrite": True,
        "default_acl": None,
        "querystring_expire": SIGNED_ADDRESS_SECONDS,
        "verify": S3_CA_BUNDLE or None,
        "checksums": S3_CHECKSUMS,
        "connect_timeout": S3_CONNECT_TIMEOUT,
        "read_timeout": S3_READ_TIMEOUT,
        "attempts": S3_ATTEMPTS,
    }
    return {"BACKEND": "auravideo.core.s3.S3Storage", "OPTIONS": options}


if S3_ENDPOINT_URL and not S3_BUCKET:
    raise ImproperlyConfigured("S3_ENDPOINT_URL is set, but S3_BUCKET is not.")

STORAGES = {
    "default": _s3_storage(S3_ENDPOINT_URL) if S3_BUCKET else _local_storage("media"),
    "frames": _s3_storage(S3_ENDPOINT_URL) if S3_BUCKET else _local_storage("frames"),
    # Signs URLs for browsers, which may reach the storage under a different host than the workers do.
    "public": _s3_storage(S3_PUBLIC_ENDPOINT_URL or S3_ENDPOINT_URL) if S3_BUCKET else _local_storage("media"),
    "staticfiles": {"BACKEND": "auravideo.core.static_files.HashedStaticFiles"},
}

STATIC_URL = "/static/"
STATIC_COLLECTED = env.text("AURAVIDEO_STATIC")  # a folder to which they were collected when an image was built
STATIC_ROOT = Path(STATIC_COLLECTED or HOME / "static")
if not STATIC_COLLECTED:
    STATIC_ROOT.mkdir(exist_ok=True)  # WhiteNoise warns if the folder is missing
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG

# --- Celery ---------------------------------------------------------------------------------------------------------

BROKER_URL = env.broker_url()  # RabbitMQ; otherwise Redis
CELERY_BROKER_URL = BROKER_URL or redis_url(0, celery=True)
REDIS_BROKER_URL = redis_url(0)
CELERY_RESULT_BACKEND = f"auravideo.core.results.ResultBackend+{redis_url(1, celery=True).removeprefix('redis+')}"
CELERY_DB_REUSE_MAX = sys.maxsize  # it is workers/connections.py that closes what is old or broken

# --- Accounts -------------------------------------------------------------------------------------------------------

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "accounts.sign_in.backends.EvenTimeBackend",
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email*", "password1*", "password2*"]
ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_FORMS = {
    "login": "accounts.forms.SigningInForm",
    "reset_password": "accounts.forms.ForgottenPasswordForm",
    "signup": "accounts.forms.SigningUpForm",
}
ACCOUNT_PREVENT_ENUMERATION = "strict"  # in every mode of verification
ACCOUNT_MAX_EMAIL_ADDRESSES = 5
ACCOUNT_EMAIL_VERIFICATION = env.choice("EMAIL_VERIFICATION", "none", ("none", "optional", "mandatory"))
ACCOUNT_LOGIN_ON_EMAIL_CONFIRMATION = True  # only in the browser that signed up
ACCOUNT_UNIQUE_EMAIL = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = "AuraVideo: "
ACCOUNT_SESSION_REMEMBER = None  # show 'remember me'
ACCOUNT_REAUTHENTICATION_REQUIRED = True  # for changes that could take over an account: email address, second factor
SUBMISSIONS_A_MINUTE = env.integer("AURAVIDEO_SUBMISSIONS_A_MINUTE", 60, 1, 100_000)  # per user; a batch counts as one
# How many wrong passwords and codes in how many seconds (accounts/sign_in/guesses.py): per account, per address (of
# IPv6, per network), and per browser that has signed in to the account before, which counts in no other way.
GUESSES = {"account": (5, 300), "address": (10, 60), "device": (5, 300)}
# How often in how many seconds a user may ask for what costs much (accounts/limits.py): more than a person does. The
# summary and the library's search follow 0.3 seconds after somebody stops typing.
COSTLY = {"search": (240, 60), "summary": (240, 60), "compare": (60, 60), "zip": (60, 3600)}
# Counted in the cache, per IP address, user or key (an email address). Other limits are allauth's defaults.
ACCOUNT_RATE_LIMITS = {
    "login": "30/m/ip",
    "login_failed": None,  # GUESSES
    "signup": "20/m/ip",
    "signup_address": "3/d/key",  # an address that is registered can be used again, see docs/security.md
    "reset_password": "20/m/ip,100/d/ip,5/m/key,10/d/key",
    "export": "6/h/user",
    "submit": f"{SUBMISSIONS_A_MINUTE}/m/user",
    "read_file": "60/m/user",  # batches, whether or not they are accepted, and clips with settings
    "push": "60/h/user",
    "report": "20/h/ip,40/d/ip",
    "report_signed_in": "20/h/user,40/d/user",
    "report_distrusted": "2/d/key",
}
# Of IPv6, the network counts that providers give a household; 64 would make 256 people of it. (accounts/adapter.py)
ALLAUTH_RATE_LIMIT_IPV6_PREFIX = 56
# Number of proxies in front of the site: if too low, all visitors behind one share its address.
ALLAUTH_TRUSTED_PROXY_COUNT = env.integer("TRUSTED_PROXIES", 0, 0, 10)
MFA_ADAPTER = "accounts.adapter.MFAAdapter"
MFA_FORMS = {
    "activate_totp": "accounts.second_factor_forms.ActivateByCodeForm",
    "authenticate": "accounts.second_factor_forms.CodeForm",
    "reauthenticate": "accounts.second_factor_forms.ReauthenticateByCodeForm",
    "add_webauthn": "accounts.second_factor_forms.AddPasskeyForm",
    "edit_webauthn": "accounts.second_factor_forms.RenamePasskeyForm",
    "authenticate_webauthn": "accounts.second_factor_forms.AuthenticateByPasskeyForm",
    "login_webauthn": "accounts.second_factor_forms.LoginByPasskeyForm",
    "reauthenticate_webauthn": "accounts.second_factor_forms.ReauthenticateByPasskeyForm",
}
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes", "webauthn"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_TOTP_ISSUER = "AuraVideo"
MFA_TOTP_TOLERANCE = 1  # 30-second periods of clock drift allowed
MFA_ALLOW_UNVERIFIED_EMAIL = ACCOUNT_EMAIL_VERIFICATION != "mandatory"
# How long network addresses are kept: of sign-ins, failed ones, and changes of passwords and the like.
SECURITY_LOG_DAYS = env.integer("SECURITY_LOG_DAYS", 90, 1, 3650)
# How long somebody new waits for a moderator, or for their own click on the link that confirms their address.
NEWCOMER_DAYS = env.integer("NEWCOMER_DAYS", 30, 1, 3650)
# Whether staff need one in the administration: once there is a second account, always, or never.
STAFF_SECOND_FACTOR = env.choice("STAFF_SECOND_FACTOR", "auto", ("auto", "on", "off"))
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "generation:create"
ACCOUNT_LOGOUT_REDIRECT_URL = "home"

EMAIL_TIMEOUT = 10  # seconds; a hanging mail server must not block the page that sends an email
vars().update(env.email())
DEFAULT_FROM_EMAIL = env.sender("DEFAULT_FROM_EMAIL", "AuraVideo <auravideo@localhost>")

# Where notifications may be sent: the push services of Chrome, Firefox, Edge and Safari. `none` sends no notifications.
PUSH_SERVICES = env.hosts(
    "AURAVIDEO_PUSH_SERVICES",
    ["fcm.googleapis.com", "*.push.services.mozilla.com", "*.notify.windows.com", "web.push.apple.com"],
)

# --- Security -------------------------------------------------------------------------------------------------------

HTTPS = env.boolean("HTTPS", SITE_URL.startswith("https://"))  # behind a TLS-terminating proxy
if SITE and SITE_URL.startswith("https://") != HTTPS:
    raise ImproperlyConfigured(f"HTTPS={HTTPS}, but SITE_URL={SITE_URL}. Remove HTTPS, which follows from SITE_URL.")
# Whoever comes without TLS is sent on, except to what containers ask directly: probes and metrics.
SECURE_SSL_REDIRECT = env.boolean("HTTPS_REDIRECT", default=HTTPS)
SECURE_SSL_HOST = SITE.netloc if SITE else None
if SECURE_SSL_REDIRECT and not HTTPS:
    raise ImproperlyConfigured("HTTPS_REDIRECT=True, but the site has no HTTPS. Set SITE_URL=https://...")
SESSION_ENGINE = "auravideo.core.sessions"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not HTTPS  # over plain HTTP, browsers offer passkeys only on `localhost`
# Whether nobody but this machine reaches the site. If others do, newcomers need an invitation by default.
IS_PRIVATE = not (HTTPS or ALLAUTH_TRUSTED_PROXY_COUNT) and all(
    map(address.is_of_this_machine, [PUBLISHED or HOST, *ALLOWED_HOSTS, *CSRF_TRUSTED_ORIGINS])
)
# For this host only: what else there is below its domain need not have TLS.
HSTS_SECONDS = env.integer("HSTS_SECONDS", 31536000, 0, 63072000)
SECURE_HSTS_SECONDS = HSTS_SECONDS if HTTPS else 0
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]  # which want all hosts below the domain in it, and a list
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 2**20
CONTENT_SECURITY_POLICY = security.content_security_policy(
    security.storage_origins(S3_PUBLIC_ENDPOINT_URL or S3_ENDPOINT_URL, S3_BUCKET, S3_REGION, S3_ADDRESSING)
    if S3_DELIVERY == "redirect"
    else []
)
PERMISSIONS_POLICY = security.PERMISSIONS_POLICY
# Where to report a hole in this site: an email address or a page. Without one, there is no security.txt.
SECURITY_CONTACT = env.matching(
    "SECURITY_CONTACT", "", r"(mailto:)?[^@\s:/]+@[^@\s:/]+|https://[^\s/]+(/\S*)?", "security@example.org"
)
# The languages in which the operator reads such reports, comma-separated.
SECURITY_LANGUAGES = env.matching(
    "SECURITY_LANGUAGES", "en", r"[A-Za-z]{2,3}(-\w+)*(, ?[A-Za-z]{2,3}(-\w+)*)*", "en,pl"
)
SEARCH_ENGINES = env.boolean("SEARCH_ENGINES", False)  # whether robots.txt lets them read what visitors may see

# --- Language and time ----------------------------------------------------------------------------------------------

LANGUAGE_CODE = languages.ENGLISH.code
LANGUAGES = [(language.code, language.name) for language in languages.LANGUAGES]
LANGUAGE_COOKIE_AGE = 365 * 24 * 3600
LANGUAGE_COOKIE_SAMESITE = "Lax"
LANGUAGE_COOKIE_SECURE = HTTPS
FORMAT_MODULE_PATH = ["auravideo.formats"]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = env.time_zone("TIME_ZONE", "UTC")
USE_TZ = True

# --- Rendering ------------------------------------------------------------------------------------------------------

MAX_SIDE = env.integer("AURAVIDEO_MAX_SIDE", limits.MAX_SIDE, 128, 4096)  # pixels
MAX_SECONDS = env.integer("AURAVIDEO_MAX_SECONDS", limits.MAX_SECONDS, 1, 60)
MAX_ACTIVE_JOBS = env.integer("AURAVIDEO_MAX_ACTIVE_JOBS", 500, 1, 100_000)  # per user
CATALOGUE_FILE = env.file("AURAVIDEO_CATALOGUE")  # the operator's own entries, added to the bundled ones
LOST_AFTER_SECONDS = env.integer("AURAVIDEO_LOST_AFTER", 60, 5, 3600)
# Until a stage that makes no progress is killed (workers/pace.py).
HANG_AFTER_SECONDS = env.integer("AURAVIDEO_HANG_AFTER", 300, 1, 24 * 3600)
LOAD_WITHIN_SECONDS = env.integer("AURAVIDEO_LOAD_WITHIN", 1800, 1, 24 * 3600)
# Until a web process or a scheduler that does not answer is started again (auravideo/server/answers.py).
ANSWER_WITHIN_SECONDS = env.integer("AURAVIDEO_ANSWER_WITHIN", 60, 5, 3600)
CANCEL_WITHIN_SECONDS = env.integer("AURAVIDEO_CANCEL_WITHIN", 60, 1, 24 * 3600)
STOP_WITHIN_SECONDS = 15  # less than `serve`, systemd and Compose wait for a worker
HEARTBEAT_SECONDS = min(10, LOST_AFTER_SECONDS / 4)
MIN_FREE_MB = env.integer("AURAVIDEO_MIN_FREE_MB", 500, 0, 10**9)  # of disk, below which no clip is accepted or begun
WORKERS = env.text("AURAVIDEO_WORKERS")  # which ones `serve` runs on this machine (auravideo/server/crew.py)
try:
    crew.parse(WORKERS)
except crew.InvalidCrew as error:
    raise ImproperlyConfigured(f"AURAVIDEO_WORKERS: {error}") from None
HEARTBEAT_FILE = env.file_to_write("AURAVIDEO_HEARTBEAT_FILE")  # touched by a worker or the scheduler while it is alive
# The kind of device that torch uses; the first that is there by default (workers/engines/devices.py).
DEVICE = env.choice("AURAVIDEO_DEVICE", "auto", ("auto", "cuda", "xpu", "mps", "cpu"))
WORKER_MEMORY_GB = env.integer("AURAVIDEO_WORKER_MEMORY", 0, 0, 10_000)  # 0: all that the card or machine has
INEXACT_MEMORY = env.choice("AURAVIDEO_INEXACT_MEMORY", card_memory.USUALLY, card_memory.INEXACT)
FILM = env.choice("AURAVIDEO_FILM", "auto", libraries.FILM_CHOICES)  # the library that runs it
UNLOAD_AFTER_SECONDS = env.integer("AURAVIDEO_UNLOAD_AFTER", 0, 0, 7 * 24 * 3600)  # without work; 0: never
FAILED_FRAMES_KEPT_HOURS = 24
STORAGE_PATIENCE_SECONDS = 6 * 3600  # how long a stage waits for a storage that does not work before the clip fails

# --- Load -----------------------------------------------------------------------------------------------------------

WEB_PROCESSES = env.integer("AURAVIDEO_WEB_PROCESSES", 0, 0, 64)  # 0: what suits the machine (auravideo/server/web.py)
REQUESTS_AT_ONCE = env.integer("AURAVIDEO_REQUESTS_AT_ONCE", 8, 1, 1000)  # per web process
REQUEST_PATIENCE = env.integer("AURAVIDEO_REQUEST_PATIENCE", 1, 1, 60)  # seconds that a request waits for its turn
MAX_SOCKETS = env.integer("AURAVIDEO_MAX_SOCKETS", 200, 1, 100_000)  # open pages of one user, per web process
MAX_SOCKETS_OF_ADDRESS = env.integer("AURAVIDEO_MAX_SOCKETS_OF_ADDRESS", 1000, 1, 1_000_000)  # likewise

# --- Gallery --------------------------------------------------------------------------------------------------------

UNDO_MINUTES = env.integer(
    "AURAVIDEO_UNDO_MINUTES", 24 * 60, 0, 30 * 24 * 60
)  # how long a deleted video can be restored
# Checks a video before others can see it; "" disables it.
SAFETY_CHECK = env.matching("AURAVIDEO_SAFETY_CHECK", "", r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", "mymodule.check")
SAFETY_LOOK = "workers.safety.look.look"  # the built-in check; named, because pages never import workers
AUTO_HIDE_REPORTS = env.integer("AURAVIDEO_AUTO_HIDE_REPORTS", 5, 0, 10_000)  # see gallery/moderation/standing.py

# --- Monitoring -----------------------------------------------------------------------------------------------------

TRACING_ENDPOINT = env.url("OTEL_EXPORTER_OTLP_ENDPOINT", ("http", "https"))
if TRACING_ENDPOINT:
    MIDDLEWARE.insert(0, "auravideo.tracing.trace_requests")
# Who sends it may read /metrics; without one, nobody may.
METRICS_TOKEN = env.unguessable("METRICS_TOKEN", env.secret("METRICS_TOKEN"))

# --- Logging --------------------------------------------------------------------------------------------------------

LOG_LEVEL = env.choice("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR"))
LOG_FORMAT = env.choice("LOG_FORMAT", "text", lines.FORMATS)
SIGN_IN_LOG = env.file_to_write("SIGN_IN_LOG")  # a line for each attempt, for fail2ban (deploy/fail2ban)
LOGGING = lines.config(LOG_FORMAT, LOG_LEVEL, SIGN_IN_LOG)
DJANGO_STRUCTLOG_CELERY_ENABLED = True  # a request's ID travels with the tasks it sends
DJANGO_STRUCTLOG_IP_LOGGING_ENABLED = False
DJANGO_STRUCTLOG_STATUS_START_LOG_LEVEL = logging.DEBUG
DJANGO_STRUCTLOG_STATUS_4XX_LOG_LEVEL = logging.INFO  # strangers' guesses, mostly
DJANGO_STRUCTLOG_CELERY_DEFAULT_LOG_LEVEL = logging.DEBUG  # scheduled tasks start every few seconds

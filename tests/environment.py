"""Set the environment before pytest-django reads the settings: pyproject.toml loads this as the first plugin.

This way no test can touch the developer's own site in var/, whatever their environment says.
"""

import os
import shutil
import tempfile

HOME = tempfile.mkdtemp(prefix="auravideo-tests-")
_OURS = (
    "AURAVIDEO_",
    "S3_",
    "REDIS_",
    "DATABASE_",
    "EMAIL_",
    "BROKER_",
    "SECRET_KEY",
    "ALLOWED_HOSTS",
    "CSRF_TRUSTED_ORIGINS",
    "SITE_URL",
    "SECURITY_LOG_DAYS",
    "SIGN_IN_LOG",
    "STAFF_",
    "DEBUG",
    "HTTPS",
    "HOST",
)

for _name in [name for name in os.environ if name.startswith(_OURS) and name != "HOSTNAME"]:
    del os.environ[_name]
os.environ["AURAVIDEO_HOME"] = HOME
os.environ["AURAVIDEO_ENV_FILE"] = os.devnull  # not the developer's auravideo.env
if "TEST_DATABASE_URL" in os.environ:  # the tests' own server: tests/postgres.py
    os.environ["DATABASE_URL"] = os.environ["TEST_DATABASE_URL"]
if "TEST_BROKER_URL" in os.environ:  # tests/rabbitmq.py
    os.environ["BROKER_URL"] = os.environ["TEST_BROKER_URL"]
# Most tests are about other things than the second factor of staff: tests/accounts/staff sets it to `auto`.
os.environ["STAFF_SECOND_FACTOR"] = "off"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def pytest_unconfigure() -> None:
    shutil.rmtree(HOME, ignore_errors=True)

"""The clock of the database, which all machines share: their own differ."""

from datetime import UTC, datetime

from django.db import connection

# As `Now()` of Django: not the start of the transaction, which may be long ago.
_QUERIES = {"postgresql": "SELECT STATEMENT_TIMESTAMP()", "sqlite": "SELECT STRFTIME('%Y-%m-%d %H:%M:%f', 'now')"}


def now() -> datetime:
    """Return the present moment by the database's clock, to the millisecond or better. Costs a query."""
    with connection.cursor() as cursor:
        cursor.execute(_QUERIES[connection.vendor])
        (found,) = cursor.fetchone()
    return found if isinstance(found, datetime) else datetime.fromisoformat(found).replace(tzinfo=UTC)

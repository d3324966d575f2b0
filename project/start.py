"""What holds before a web server takes its first request."""

import logging
import sys

from django.db import DatabaseError, connection

from credentials import keys

logger = logging.getLogger(__name__)


def check_keys() -> None:
    """End the process with status 2 where the database was written with another FINGERPRINT_KEY.

    A database that is down ends nothing: pages say so until it is back.
    """
    try:
        if warning := keys.refuse_others():
            logger.warning(warning)
    except keys.OtherKeys as error:
        sys.stderr.write(f"lanyard: {error}\n")
        raise SystemExit(2) from None
    except DatabaseError as error:
        logger.warning("The keys were not compared: %s", (str(error).splitlines() or [""])[0])
    finally:
        # The server forks: no connection, and no thread of a pool, may be there by then.
        connection.close()
        if connection.vendor == "postgresql":
            connection.close_pool()  # type: ignore[attr-defined]

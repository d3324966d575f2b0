"""One process of tests/benchmarks/limiter.py: takes leases as fast as it can, and prints how many it got, or
how many noes where all is denied.

    python limiter_worker.py LIMITER WHERE SECONDS START LIMITS DENYING THREADS

Runs by itself, in whatever environment has its limiter: the product's, or that of the peers.
"""

import json
import random
import sys
import threading
import time

MOST = 1_000_000


def lanyard(_where, limits, _denying):
    import django

    django.setup()
    from credentials.models import RateLimit

    rows = list(RateLimit.objects.order_by("pk")[:limits])

    def ask():
        lease = random.choice(rows).try_acquire()
        return lease.granted and (lease.release() or True)

    return ask


def lanyard_uncounted(*told):
    """As if use were not counted."""
    ask = lanyard(*told)
    from credentials.limiter import counting

    counting.granted = counting.denied = lambda *_numbers: None
    return ask


def select_1(where, _limits, _denying):
    import psycopg

    own = threading.local()

    def ask():
        if not hasattr(own, "connection"):
            own.connection = psycopg.connect(where, autocommit=True)
            own.connection.prepare_threshold = 0
        return own.connection.execute("SELECT 1").fetchone()

    return ask


def _rate(denying):
    from pyrate_limiter import Duration, Rate

    return Rate(1, Duration.HOUR) if denying else Rate(MOST, Duration.SECOND)


def pyrate_postgresql(where, _limits, denying):
    from psycopg_pool import ConnectionPool
    from pyrate_limiter import Limiter, PostgresBucket

    pool = ConnectionPool(where, min_size=1, max_size=16, open=True)
    limiter = Limiter(PostgresBucket(pool, f"bench{denying}", [_rate(denying)]))
    return lambda: limiter.try_acquire("x", blocking=False)


def pyrate_sqlite(where, _limits, denying):
    from pyrate_limiter import Limiter, SQLiteBucket

    bucket = SQLiteBucket.init_from_file([_rate(denying)], db_path=where, use_file_lock=True)
    limiter = Limiter(bucket)
    return lambda: limiter.try_acquire("x", blocking=False)


def pyrate_redis(where, _limits, denying):
    import redis
    from pyrate_limiter import Limiter, RedisBucket

    bucket = RedisBucket.init([_rate(denying)], redis.Redis(unix_socket_path=where), f"pyrate{denying}")
    limiter = Limiter(bucket)
    return lambda: limiter.try_acquire("x", blocking=False)


def limits_redis(where, limits, denying):
    from limits import parse
    from limits.storage import storage_from_string
    from limits.strategies import MovingWindowRateLimiter

    limiter = MovingWindowRateLimiter(storage_from_string(f"redis+unix://{where}"))
    item = parse("1/hour") if denying else parse(f"{MOST}/second")
    return lambda: limiter.hit(item, str(random.randrange(limits)))


def django_ratelimit(where, _limits, denying):
    from django.conf import settings

    backend = "django.core.cache.backends.redis.RedisCache"
    cache = {"BACKEND": backend, "LOCATION": f"unix://{where}"}
    settings.configure(CACHES={"default": cache}, SECRET_KEY="fake", DEFAULT_CHARSET="utf-8")
    import django

    django.setup()
    from django.test import RequestFactory
    from django_ratelimit.core import is_ratelimited

    request = RequestFactory().get("/")
    rate = "1/h" if denying else f"{MOST}/s"
    return lambda: not is_ratelimited(request, group="x", key="ip", rate=rate, increment=True)


GCRA = """
local t = redis.call('TIME'); local now = t[1] * 1000000 + t[2]
local tat = tonumber(redis.call('GET', KEYS[1]) or now)
if tat - ARGV[1] * (ARGV[2] - 1) > now then return 0 end
redis.call('SET', KEYS[1], math.max(tat, now) + ARGV[1], 'PX', 10000000)
return 1
"""


def redis_lua(where, limits, denying):
    import redis

    script = redis.Redis(unix_socket_path=where).register_script(GCRA)
    args = [3_600_000_000, 1] if denying else [1, MOST]
    return lambda: script(keys=[f"gcra{denying}{random.randrange(limits)}"], args=args)


def main():
    name, where, seconds, start, limits, denying, threads = sys.argv[1:]
    ask = globals()[name](where, int(limits), int(denying))
    took = []

    def work():
        for _ in range(50):
            ask()
        time.sleep(max(0.0, float(start) - time.time()))
        now = time.perf_counter()
        until = now + float(seconds)
        while now < until:
            granted = ask()
            after = time.perf_counter()
            # Some say no where another process is in the way: that is no lease.
            if granted or denying == "1":
                took.append(after - now)
            now = after

    workers = [threading.Thread(target=work) for _ in range(int(threads))]
    for one in workers:
        one.start()
    for one in workers:
        one.join()
    took.sort()
    p50, p99 = took[len(took) // 2], took[int(len(took) * 0.99)]
    json.dump({"answers": len(took), "p50": p50 * 1e6, "p99": p99 * 1e6}, sys.stdout)


if __name__ == "__main__":
    main()

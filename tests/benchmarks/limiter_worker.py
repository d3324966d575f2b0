"""The processes of tests/benchmarks/limiter.py: take leases as fast as they can.

    python limiter_worker.py LIMITER WHERE

Started once for each limiter. Reads what to measure from its input, one JSON object a line, and splits into
so many processes with so many threads each, when all is loaded. Prints for each line how many leases a second
they got together (how many noes, where all is denied), and the median of their median and 99th times in
microseconds. Runs by itself, in whatever environment has its limiter: the product's, or that of the peers.
"""

import json
import multiprocessing
import os
import random
import statistics
import sys
import threading
import time
import traceback

MOST = 1_000_000


def lanyard(keys):
    """`keys` names a file with the keys of the limits of each scene."""
    import django

    django.setup()
    from django.db import connections

    from credentials.models import RateLimit

    with open(keys) as file:
        known = json.load(file)

    def begin(told):
        rows = list(RateLimit.objects.filter(pk__in=known[told["set"]]))
        connections.close_all()
        return lambda: lambda: take(random.choice(rows))

    def take(limit):
        lease = limit.try_acquire()
        if lease.granted:
            with lease:
                return True
        return False

    return begin


def lanyard_uncounted(keys):
    """As if use were not counted."""
    begin = lanyard(keys)
    from credentials.limiter import counting

    counting.granted = counting.denied = counting.entered = counting.left = lambda *_numbers: None
    return begin


def round_trip(where):
    import psycopg

    def begin(_told):
        own = threading.local()

        def ask():
            if not hasattr(own, "connection"):
                own.connection = psycopg.connect(where, autocommit=True)
                own.connection.prepare_threshold = 0
            return own.connection.execute("SELECT 1").fetchone()

        return lambda: ask

    return begin


def _rate(told):
    from pyrate_limiter import Duration, Rate

    return Rate(1, Duration.HOUR) if told["denying"] else Rate(MOST, Duration.SECOND)


# pyrate-limiter on a database has a table for each limit: of 10,000 limits it is asked for one.
def pyrate_postgresql(where):
    from psycopg_pool import ConnectionPool
    from pyrate_limiter import Limiter, PostgresBucket

    def begin(told):
        def own():
            pool = ConnectionPool(where, min_size=1, max_size=16, open=True)
            limiter = Limiter(PostgresBucket(pool, f"bench{told['id']}", [_rate(told)]))
            return lambda: limiter.try_acquire("x", blocking=False)

        return own

    return begin


def pyrate_sqlite(where):
    from pyrate_limiter import Limiter, SQLiteBucket

    def begin(told):
        def own():
            path = f"{where}/pyrate{told['id']}.sqlite3"
            bucket = SQLiteBucket.init_from_file([_rate(told)], db_path=path, use_file_lock=True)
            limiter = Limiter(bucket)
            return lambda: limiter.try_acquire("x", blocking=False)

        return own

    return begin


def pyrate_redis(where):
    import redis
    from pyrate_limiter import Limiter, RedisBucket

    def begin(told):
        def own():
            client = redis.Redis(unix_socket_path=where)
            limiter = Limiter(RedisBucket.init([_rate(told)], client, f"pyrate{told['id']}"))
            return lambda: limiter.try_acquire("x", blocking=False)

        return own

    return begin


def limits_redis(where):
    from limits import parse
    from limits.storage import storage_from_string
    from limits.strategies import MovingWindowRateLimiter

    def begin(told):
        item = parse("1/hour") if told["denying"] else parse(f"{MOST}/second")

        def own():
            limiter = MovingWindowRateLimiter(storage_from_string(f"redis+unix://{where}"))
            return lambda: limiter.hit(item, str(random.randrange(told["limits"])))

        return own

    return begin


def django_ratelimit(where):
    from django.conf import settings

    backend = "django.core.cache.backends.redis.RedisCache"
    cache = {"BACKEND": backend, "LOCATION": f"unix://{where}"}
    settings.configure(CACHES={"default": cache}, SECRET_KEY="fake", DEFAULT_CHARSET="utf-8")
    import django

    django.setup()
    from django.test import RequestFactory
    from django_ratelimit.core import is_ratelimited

    def begin(told):
        rate = "1/h" if told["denying"] else f"{MOST}/s"

        def ask():
            number = random.randrange(told["limits"])
            request = RequestFactory().get("/", REMOTE_ADDR=f"10.0.{number // 256}.{number % 256}")
            return not is_ratelimited(request, group="x", key="ip", rate=rate, increment=True)

        return lambda: ask

    return begin


GCRA = """
local t = redis.call('TIME'); local now = t[1] * 1000000 + t[2]
local tat = tonumber(redis.call('GET', KEYS[1]) or now)
if tat - ARGV[1] * (ARGV[2] - 1) > now then return 0 end
redis.call('SET', KEYS[1], math.max(tat, now) + ARGV[1], 'PX', 10000000)
return 1
"""


def redis_lua(where):
    import redis

    def begin(told):
        args = [3_600_000_000, 1] if told["denying"] else [1, MOST]

        def own():
            script = redis.Redis(unix_socket_path=where).register_script(GCRA)
            return lambda: script(keys=[f"gcra{told['id']}-{random.randrange(told['limits'])}"], args=args)

        return own

    return begin


def work(own, told, together, answers):
    """One process: warm up, wait for the others, ask until the time is over, and say what came of it."""
    ask, took = own(), []
    ready = threading.Barrier(told["threads"], action=together.wait)

    def run():
        try:
            measure()
        except BaseException:  # noqa: BLE001 - said, and the end of it all
            traceback.print_exc()
            answers.put(None)
            os._exit(1)

    def measure():
        for _ in range(20):
            ask()
        ready.wait(60)
        now = time.perf_counter()
        until = now + told["seconds"]
        while now < until:
            granted = ask()
            after = time.perf_counter()
            # Some say no where another process is in the way: that is no lease.
            if granted or told["denying"]:
                took.append(after - now)
            now = after

    workers = [threading.Thread(target=run) for _ in range(told["threads"])]
    for one in workers:
        one.start()
    for one in workers:
        one.join()
    took.sort()
    middle = (took[len(took) // 2], took[int(len(took) * 0.99)]) if took else (0.0, 0.0)
    answers.put((len(took), *middle))


def main():
    begin = globals()[sys.argv[1]](sys.argv[2])
    split = multiprocessing.get_context("fork")
    for line in sys.stdin:
        told = json.loads(line)
        own = begin(told)
        together, answers = split.Barrier(told["workers"]), split.SimpleQueue()
        running = [
            split.Process(target=work, args=(own, told, together, answers)) for _ in range(told["workers"])
        ]
        for one in running:
            one.start()
        said = [answers.get() for _ in running]
        if None in said:
            sys.exit(1)
        for one in running:
            one.join()
        rate = sum(one[0] for one in said) / told["seconds"]
        p50, p99 = (statistics.median(one[n] for one in said) * 1e6 for n in (1, 2))
        print(json.dumps([rate, p50, p99]), flush=True)


if __name__ == "__main__":
    # What libraries print must not be taken for an answer.
    sys.stdout = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    main()

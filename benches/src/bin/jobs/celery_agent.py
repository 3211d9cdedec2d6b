"""Celery and Redis in the comparison of jobs. It does what `agent.rs` says."""

import json
import os
import subprocess
import sys
import time

import redis
from celery import Celery

# The worker imports this file too, and is told by its environment.
BROKER = os.environ.get("BENCH_BROKER") or sys.argv[1]
QUEUE = "jobs"
WAITED = "waited"

app = Celery("jobs", broker=BROKER)
app.conf.update(
    task_default_queue=QUEUE,
    task_ignore_result=True,
    # As with the others, a job of a worker that was killed is done again.
    task_acks_late=True,
    worker_prefetch_multiplier=50,
    worker_hijack_root_logger=False,
)
store = redis.Redis.from_url(BROKER)


def now():
    return time.time_ns() // 1000


@app.task(name="nothing")
def nothing(moment):
    pass


@app.task(name="waited")
def waited(moment):
    store.rpush(WAITED, now() - moment)


def start_worker():
    """A worker as it comes, with a process for each core, which has no queue yet."""
    words = [sys.executable, "-m", "celery", "-A", "celery_agent", "worker", "-Q", "none"]
    words += ["--without-gossip", "--without-mingle", "--loglevel", "ERROR"]
    environment = {**os.environ, "BENCH_BROKER": BROKER, "PYTHONPATH": sys.path[0]}
    worker = subprocess.Popen(words, env=environment, stdout=sys.stderr, stdin=subprocess.DEVNULL)
    while not app.control.ping(timeout=0.5):
        if worker.poll() is not None:
            sys.exit("the worker ended")
    return worker


def begin():
    app.control.add_consumer(QUEUE, reply=True, timeout=0.2)


def fill(count):
    """It has no call for many jobs: each is one."""
    with app.producer_pool.acquire(block=True) as producer:
        for _ in range(count):
            nothing.apply_async((now(),), producer=producer)


def paced(count, rate):
    began = time.monotonic()
    for number in range(count):
        time.sleep(max(0.0, began + number / rate - time.monotonic()))
        waited.delay(now())


def all_waited(count):
    while store.llen(WAITED) < count:
        time.sleep(0.01)
    return [int(micros) for micros in store.lrange(WAITED, 0, -1)]


def is_done():
    return store.llen(QUEUE) == 0 and store.hlen("unacked") == 0


def say(line):
    print(line, flush=True)


def main():
    task, count, rate = sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    worker = None
    if task != "send":
        store.flushdb()
    if task == "work":
        fill(count)
    if task in ("work", "alone", "listen"):
        worker = start_worker()
    if task in ("alone", "listen"):
        begin()
    say("ready")
    sys.stdin.readline()
    began = time.monotonic()
    result = []
    if task in ("bulk", "single"):
        fill(count)
    elif task == "work":
        begin()
        while not is_done():
            time.sleep(0.01)
    elif task in ("alone", "send"):
        paced(count, rate)
    if task in ("alone", "listen"):
        result = all_waited(count)
    say(json.dumps({"seconds": time.monotonic() - began, "waited_us": result}))
    sys.stdin.read()
    if worker:
        worker.terminate()
        worker.wait()


if __name__ == "__main__":
    main()

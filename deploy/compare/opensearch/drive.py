"""Asks for pages and measures: drive.py ADDRESS PID RATE SECONDS USERS

A page is three requests, as it would be of an application: the viewer and what they have seen, by id; the query; the exposure, durable before it
is answered. Times are from when a page was due until its exposure was written.
"""

import datetime
import math
import os
import pathlib
import random
import sys
import threading
import time

from client import Client, Failed

HERE = pathlib.Path(__file__).parent
CLIENTS = 8
# Java compiles while it runs: so many pages, or seconds, go before what is measured.
WARM_UP_PAGES, WARM_UP_SECONDS = 20_000, 120
EPOCH = datetime.date(1970, 1, 1).toordinal()
MONTH = 30 * 86_400
SCORE = (HERE / "score.painless").read_text()
# The candidate's own limit; that of the viewer, and 100 km, are a filter with an index.
WITHIN = "doc['max_km'].value >= 100 || doc['place'].arcDistance(params.lat, params.lon) <= doc['max_km'].value * 1000"
EXPOSE = """
ctx._source.shown.removeIf(s -> s[1] < params.old || params.ids.contains(s[0]));
for (id in params.ids) ctx._source.shown.add([id, params.at]);
"""


def years_before(day, years):
    """The same day so many years earlier, since 1970 in days."""
    try:
        earlier = day.replace(year=day.year - years)
    except ValueError:  # 29 February
        earlier = day.replace(year=day.year - years, day=28)
    return earlier.toordinal() - EPOCH


def deck(viewer, number, hidden):
    """The query: the nearest thousand whom the hard limits of both sides leave, by the score of both sides."""
    today = datetime.date.today()
    born = datetime.date.fromordinal(viewer["birth"] + EPOCH)
    age = today.year - born.year - ((today.month, today.day) < (born.month, born.day))
    place, near = viewer["place"], {"lat": viewer["place"]["lat"], "lon": viewer["place"]["lon"]}
    limits = [
        {"term": {"visible": True}},
        {"terms": {"gender": viewer["wants"]}},
        {"term": {"wants": viewer["gender"]}},
        {"range": {"birth": {"gt": years_before(today, viewer["max_age"] + 1), "lte": years_before(today, viewer["min_age"])}}},
        {"range": {"min_age": {"lte": age}}},
        {"range": {"max_age": {"gte": age}}},
        {"geo_distance": {"place": place, "distance": f"{min(viewer['max_km'], 100)}km"}},
        {"script": {"script": {"source": WITHIN, "params": near}}},
    ]
    signals = 0.8 * viewer["activity"] + 0.6 * viewer["richness"] + 0.4 * viewer["completeness"]
    params = {**near, "signals": signals, "birth": viewer["birth"], "tags": viewer["tags"], "liked": viewer["liked"]}
    params |= {name: viewer.get(name) for name in ("height", "education")}
    score = {"script_score": {"script": {"source": SCORE, "params": params}}, "boost_mode": "replace"}
    return {
        "size": 10,
        "_source": False,
        "track_total_hits": False,
        "query": {
            "bool": {
                "must": {"distance_feature": {"field": "place", "origin": place, "pivot": "10km"}},
                "filter": limits,
                "must_not": {"ids": {"values": [str(number), *hidden]}},
            }
        },
        "rescore": {
            "window_size": 1000,
            "query": {"rescore_query": {"function_score": score}, "query_weight": 0, "rescore_query_weight": 1},
        },
    }


def page(client, number, ago=0):
    """One page for a viewer, written as shown so many seconds ago: how many people it has."""
    by_id = [{"_index": index, "_id": str(number)} for index in ("people", "shown")]
    viewer, seen = (found["_source"] for found in client.ask("POST", "/_mget?filter_path=docs._source", {"docs": by_id})["docs"])
    if "place" not in viewer:
        return 0
    now = int(time.time())
    hidden = [str(other) for other, at in seen["shown"] if at > now - MONTH] + [str(other) for other in seen["blocks"]]
    found = client.ask("POST", "/people/_search?filter_path=timed_out,_shards.failed,hits.hits._id", deck(viewer, number, hidden))
    if found["timed_out"] or found["_shards"]["failed"]:
        raise Failed(f"a query was not answered in full: {found}")
    ids = [int(hit["_id"]) for hit in found.get("hits", {}).get("hits", [])]
    if ids:
        params = {"ids": ids, "at": now - ago, "old": now - MONTH}
        client.ask("POST", f"/shown/_update/{number}?retry_on_conflict=3", {"script": {"source": EXPOSE, "params": params}})
    return len(ids)


class Load:
    """Pages for chance viewers by so many clients; at a rate, or as fast as it goes. Exposures of a warm-up are so old that they hide nobody."""

    def __init__(self, address, users, rate, seconds, warm_up=False):
        self.address, self.users, self.rate, self.seconds = address, users, rate, seconds
        self.most, self.ago = (WARM_UP_PAGES, MONTH + 1) if warm_up else (math.inf, 0)
        self.lock = threading.Lock()
        self.next = 0
        self.times, self.people, self.failures = [], 0, []

    def run(self):
        """Drives until the time is over, and waits for the last answers."""
        self.begun = time.monotonic()
        clients = [threading.Thread(target=self.client, args=(seed,)) for seed in range(CLIENTS)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        self.span = time.monotonic() - self.begun

    def due(self):
        """When the next page is due; none when the time is over."""
        now = time.monotonic()
        if now >= self.begun + self.seconds:
            return None
        if not self.rate:
            return now if len(self.times) < self.most else None
        with self.lock:
            due = self.begun + self.next / self.rate
            if due >= self.begun + self.seconds:
                return None
            self.next += 1
        time.sleep(max(0.0, due - now))
        return due

    def client(self, seed):
        """One of the clients."""
        dice, client = random.Random(f"{self.rate} {self.ago} {seed}"), None
        while (due := self.due()) is not None:
            try:
                client = client or Client(self.address)
                people = page(client, dice.randint(1, self.users), self.ago)
                took = time.monotonic() - due
                with self.lock:
                    self.times.append(took * 1000)
                    self.people += people
            except Exception as failure:  # counted, and told
                client = None
                with self.lock:
                    self.failures.append(failure)


def cpu(pid):
    """CPU seconds a process has used."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident(pid):
    """MiB of a process in memory."""
    line = next(line for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024


def measure(name, load, pid):
    """Runs a load and prints what it took; whether pages were answered."""
    before, own = cpu(pid), cpu("self")
    load.run()
    used, own = cpu(pid) - before, cpu("self") - own
    times, ops = sorted(load.times), max(len(load.times), 1)
    if not times:
        print(f"{name}: no page was answered")
    else:
        print(
            f"{name}: ops {ops}, {ops / load.span:.1f}/s, p50 {times[ops // 2]:.1f} ms, p99 {times[int(ops * 0.99)]:.1f} ms, "
            f"CPU {used * 1000 / ops:.1f} ms an op (driver {own * 1000 / ops:.1f}), resident {resident(pid):.0f} MiB, "
            f"errors {len(load.failures)}, {load.people / ops:.1f} people a page"
        )
    if load.rate and (late := int(load.rate * load.seconds) - load.next) > 0:
        print(f"{name}: it fell behind, {late} pages that were due had not been asked for at the end")
    if load.failures:
        print(f"{name}: first error: {load.failures[0]}", file=sys.stderr)
    return bool(times)


def main():
    address, pid, rate, seconds, users = sys.argv[1], *map(int, sys.argv[2:])
    warm_up = Load(address, users, 0, WARM_UP_SECONDS, warm_up=True)
    warm_up.run()
    if warm_up.failures:
        sys.exit(f"opensearch: {warm_up.failures[0]}")
    print(f"warmed up with {len(warm_up.times)} pages", file=sys.stderr)
    answered = measure(f"open loop {rate}/s", Load(address, users, rate, seconds), pid)
    answered &= measure(f"as fast as it goes, {CLIENTS} clients", Load(address, users, 0, seconds), pid)
    heap = Client(address).ask("GET", "/_nodes/stats/jvm?filter_path=nodes.*.jvm.mem")
    memory = next(iter(heap["nodes"].values()))["jvm"]["mem"]
    print(f"heap: {memory['heap_used_in_bytes'] / 1_048_576:.0f} MiB used of {memory['heap_max_in_bytes'] / 1_048_576:.0f}")
    sys.exit(not answered)


if __name__ == "__main__":
    main()

"""Indexes the people of a CSV: load.py ADDRESS PEOPLE.csv

Index `people` holds what filters and the score read. Index `shown` has one document a person, read and written by id only: whom they were
shown within the last 30 days, and whom they blocked or were blocked by.
"""

import collections
import csv
import datetime
import json
import pathlib
import queue
import random
import sys
import threading
import time

from client import Client

HERE = pathlib.Path(__file__).parent
BATCH = 4000
SENDERS = 2
EPOCH = datetime.date(1970, 1, 1).toordinal()
DAY = 86_400


def genders(bits):
    """The genders of a bit set; an empty one is all of them."""
    return [str(n) for n in range(3) if bits >> n & 1] or [str(n) for n in range(3)]


def person(row):
    """The document of a line."""
    tags = {name: sorted(int(tag) for tag in row[name].split()) for name in ("tags", "liked")}
    made = {
        "gender": row["gender"],
        "wants": genders(int(row["wants"])),
        "birth": datetime.date.fromisoformat(row["birth"]).toordinal() - EPOCH,
        "min_age": int(row["min_age"]),
        "max_age": int(row["max_age"]),
        "max_km": int(row["max_km"] or 100),
        "visible": row["visible"] == "true",
        **{name: float(row[name]) for name in ("activity", "richness", "completeness", "like_rate", "impressions")},
        **{name: int(row[name]) for name in ("height", "education") if row[name]},
        **tags,
    }
    if row["lat"] and row["lon"]:
        made["place"] = {"lat": float(row["lat"]), "lon": float(row["lon"])}
    return made


def lines(file):
    """Documents of both indices: 20 shown to each, one a day, and one block by every 16th."""
    with open(file, "rb") as counted:
        users = sum(1 for _ in counted) - 1
    dice, now = random.Random(7), int(time.time())
    blocks = collections.defaultdict(list)
    for blocker in range(16, users + 1, 16):
        blocked = dice.randint(1, users)
        blocks[blocker].append(blocked)
        blocks[blocked].append(blocker)
    with open(file, encoding="utf-8", newline="") as rows:
        for row in csv.DictReader(rows):
            number = int(row["id"])
            yield "people", number, person(row)
            seen = [[dice.randint(1, users), now - n * DAY] for n in range(1, 21)]
            yield "shown", number, {"shown": seen, "blocks": blocks.get(number, [])}


def send(address, batches, failures):
    """Sends batches until there is a None."""
    client = Client(address)
    while (batch := batches.get()) is not None:
        try:
            if not failures:
                answer = client.ask("POST", "/_bulk?filter_path=errors,items.*.error", "".join(batch).encode())
                if answer["errors"]:
                    failures.append(str(answer["items"][0])[:600])
        except Exception as failure:  # told by the main thread; batches are taken all the same, so that it does not wait for ever
            failures.append(str(failure))


def load(address, file):
    """Everything in, merged and durable."""
    client = Client(address)
    people = json.loads((HERE / "people.json").read_text())
    client.ask("PUT", "/people", people)
    client.ask("PUT", "/shown", {"settings": people["settings"], "mappings": {"dynamic": False}})
    batches, failures = queue.Queue(8), []
    senders = [threading.Thread(target=send, args=(address, batches, failures)) for _ in range(SENDERS)]
    for sender in senders:
        sender.start()
    try:
        batch = []
        for index, number, document in lines(file):
            batch.append(f'{{"index":{{"_index":"{index}","_id":"{number}"}}}}\n{json.dumps(document, separators=(",", ":"))}\n')
            if len(batch) == BATCH:
                batches.put(batch)
                batch = []
        if batch:
            batches.put(batch)
    finally:
        for _ in senders:
            batches.put(None)
        for sender in senders:
            sender.join()
    if failures:
        sys.exit(f"opensearch: indexing failed: {failures[0]}")
    client.ask("POST", "/_refresh")
    client.ask("POST", "/_forcemerge?max_num_segments=1")
    # From here on every write is on disk before it is answered.
    client.ask("PUT", "/_all/_settings", {"refresh_interval": "1s", "translog.durability": "request"})
    # What the merge replaced goes with the next commit that no reader holds.
    client.ask("POST", "/_refresh")
    client.ask("POST", "/_flush?force=true&wait_if_ongoing=true")


def main():
    address, file = sys.argv[1:]
    begun = time.monotonic()
    load(address, file)
    print(f"loaded, indexed and merged in {time.monotonic() - begun:.0f} s")
    size = collections.Counter()
    for segment in Client(address).ask("GET", "/_cat/segments?format=json&bytes=b&h=index,size"):
        size[segment["index"]] += int(segment["size"]) / 1_048_576
    print(f"on disk: people {size['people']:.0f} MiB, shown {size['shown']:.0f} MiB")


if __name__ == "__main__":
    main()

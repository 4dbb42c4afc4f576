"""Made `lake`, once: a lake with the columns, names and positions of the version of 2026-11-24, which had no commits yet.

`python make_lake.py` with pyarrow; it is not to be made again, because then it would not be what older versions wrote.
"""

import datetime as dt
import json
import pathlib
import random
import uuid

import pyarrow as pa
import pyarrow.parquet as pq

BEGIN = dt.datetime(2026, 10, 28, tzinfo=dt.timezone.utc)
chance = random.Random(61)


def must(name, kind):
    return pa.field(name, kind, nullable=False)


def may(name, kind):
    return pa.field(name, kind)


TEXT, INT, TIME = pa.string(), pa.int64(), pa.timestamp("us", tz="UTC")


def many(kind):
    return pa.list_(pa.field("item", kind))


HEAD = [must("event_id", TEXT), must("event_time", TIME), must("kind", TEXT), may("request_id", TEXT)]
POSITION = pa.struct([must("lat", pa.float64()), must("lon", pa.float64())])
PREFERENCES = pa.struct([may("genders", many(TEXT)), may("min_age", pa.int32()), may("max_age", pa.int32()), may("max_distance_km", INT)])
PROFILE = pa.struct([
    must("nickname", TEXT), must("gender", TEXT), must("birth_date", pa.date32()), may("height_cm", pa.int32()), may("education", TEXT),
    may("occupation", TEXT), may("city", TEXT), may("position", POSITION), may("languages", many(TEXT)), may("tags", many(TEXT)),
    may("bio", TEXT), may("photos", pa.int32()), may("preferences", PREFERENCES), may("hidden", pa.bool_()), may("banned", pa.bool_()),
    may("virtual", pa.bool_()), must("created_at", TIME), may("extend_data", TEXT),
])
ANSWER = pa.struct([must("question", TEXT), must("answer", TEXT)])
MEDIA = pa.struct([must("kind", TEXT), must("object", TEXT), may("seconds", pa.float32())])
TABLES = {
    "profiles": HEAD + [must("user_id", TEXT), may("profile", PROFILE)],
    "moments": HEAD + [
        must("moment_id", TEXT), must("author_id", TEXT), must("published_at", TIME), may("title", TEXT), may("text", TEXT),
        may("answers", many(ANSWER)), may("tags", many(TEXT)), may("media", many(MEDIA)), must("text_chars", INT),
        must("answer_chars", INT), must("media_count", INT),
    ],
    # Without `experiments` and `propensity`.
    "interactions": HEAD + [
        must("actor_id", TEXT), must("target_id", TEXT), may("moment_id", TEXT), may("text", TEXT), may("tags", many(TEXT)),
        may("deck_id", TEXT), may("position", INT),
    ],
    "presence": HEAD + [must("user_id", TEXT), may("position", POSITION)],
    "messages": HEAD + [must("conversation_id", TEXT), must("sender_id", TEXT), must("receiver_id", TEXT), must("chars", INT)],
}


def head(at, kind):
    return {"event_id": str(uuid.UUID(int=chance.getrandbits(128), version=4)), "event_time": at, "kind": kind}


def two():
    a = chance.randint(1, 40)
    return str(a), str(a % 40 + 1)


def profile(at, user):
    who = {"nickname": f"p{user}", "gender": "female", "birth_date": dt.date(1996, 5, 4), "languages": ["zh"], "tags": ["咖啡"], "photos": 1,
           "preferences": {"genders": ["male"], "min_age": 20, "max_age": 40}, "hidden": False, "banned": False, "virtual": False,
           "created_at": at, "extend_data": '{"zodiac":"虎"}'}
    return head(at, "profile_updated") | {"user_id": str(user), "profile": who}


def moment(at, number):
    text = "今天去爬山 with friends"
    return head(at, "moment_published") | {
        "moment_id": str(number), "author_id": two()[0], "published_at": at, "title": "a day", "text": text, "answers": [], "tags": ["hiking"],
        "media": [{"kind": "photo", "object": "a/b.jpg"}], "text_chars": len(text) + 5, "answer_chars": 0, "media_count": 1}


def interaction(at):
    actor, target = two()
    kind = chance.choice(["impression", "impression", "profile_view", "like", "pass"])
    shown = {"deck_id": "d1", "position": chance.randint(0, 19)} if kind in ("impression", "like") else {}
    return head(at, kind) | {"actor_id": actor, "target_id": target, "tags": ["咖啡"] if kind == "like" else []} | shown


def message(at):
    one, other = two()
    return head(at, "message_sent") | {"conversation_id": f"{one}-{other}", "sender_id": one, "receiver_id": other, "chars": 5}


def rows(table, day):
    def times(count):
        return sorted(BEGIN + dt.timedelta(days=day, milliseconds=chance.randrange(86_400_000)) for _ in range(count))

    if table == "profiles":
        return [profile(at, user + 1) for user, at in enumerate(times(5))] if day == 0 else [profile(at, 2) for at in times(1)]
    if table == "moments":
        return [moment(at, 100 * day + number + 1) for number, at in enumerate(times(6))]
    if table == "interactions":
        return [interaction(at) for at in times(40)]
    if table == "presence":
        return [head(at, "app_open") | {"user_id": two()[0], "position": {"lat": 31.2, "lon": 121.4}} for at in times(8)]
    return [message(at) for at in times(8)]


def main():
    lake, positions = pathlib.Path(__file__).parent / "lake", {"dead_letters/0": 0}
    for table, fields in TABLES.items():
        next_offset = 0
        for day in range(2):
            found = rows(table, day)
            name = f"{table}-0-{next_offset}-{next_offset + len(found) - 1}.parquet"
            folder = lake / table / f"dt={(BEGIN + dt.timedelta(days=day)).date()}"
            folder.mkdir(parents=True)
            batch = pa.Table.from_pylist(found, schema=pa.schema(fields))
            pq.write_table(batch, folder / name, compression="zstd", use_compliant_nested_type=False)
            next_offset += len(found)
        positions[f"{table}/0"] = next_offset
    (lake / "_positions.json").write_text(json.dumps(positions, indent=2))


main()

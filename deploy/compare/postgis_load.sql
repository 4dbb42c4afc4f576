-- People with what filters and the score read. Geography would measure on the ellipsoid; geometry with a KNN index is faster and close enough.
CREATE TABLE people AS
SELECT id, gender, wants, birth, min_age, max_age, max_km, ST_SetSRID(ST_MakePoint(lon, lat), 4326) AS place, height, education, activity, richness,
       completeness, like_rate, impressions, visible, string_to_array(tags, ' ')::int[] AS tags, string_to_array(liked, ' ')::int[] AS liked
FROM staging;
DROP TABLE staging;
ALTER TABLE people ADD PRIMARY KEY (id);
-- One index per gender, so that the nearest of a gender come in order without looking at the others.
CREATE INDEX people_women ON people USING gist (place) WHERE visible AND gender = 0;
CREATE INDEX people_men ON people USING gist (place) WHERE visible AND gender = 1;
CREATE TABLE shown (viewer bigint, candidate bigint, at timestamptz, PRIMARY KEY (viewer, candidate));
INSERT INTO shown
SELECT p.id, 1 + (hashint8(p.id * 31 + n) & 2147483647)::bigint % (SELECT max(id) FROM people), now() - n * interval '1 day'
FROM people p, generate_series(1, 20) n ON CONFLICT DO NOTHING;
CREATE TABLE blocks (blocker bigint, blocked bigint, PRIMARY KEY (blocker, blocked));
INSERT INTO blocks
SELECT id, 1 + (hashint8(id) & 2147483647)::bigint % (SELECT max(id) FROM people) FROM people WHERE id % 16 = 0;
VACUUM ANALYZE people;
VACUUM ANALYZE shown;
VACUUM ANALYZE blocks;

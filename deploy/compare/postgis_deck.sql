\set viewer random(1, :users)
BEGIN;
WITH v AS MATERIALIZED (
    SELECT *, date_part('year', age(birth))::int AS age, 1 << gender AS bit, current_date - (max_age + 1) * interval '1 year' AS not_older,
           current_date - min_age * interval '1 year' AS not_younger
    FROM people WHERE id = :viewer
),
-- The nearest thousand, within 100 km, whom the hard limits of both sides leave.
recalled AS (
    SELECT c.*, v.id AS viewer, c.m / 1000 AS km, abs(c.birth - v.birth) / 365.25 AS years, abs(c.height - v.height) AS cm,
           abs(c.education - v.education) AS levels, v.tags AS v_tags, v.liked AS v_liked, v.activity AS v_activity, v.richness AS v_richness,
           v.completeness AS v_completeness
    FROM v, LATERAL (
        (
        SELECT p.*, d.m FROM people p, LATERAL (SELECT ST_DistanceSphere(p.place, v.place) AS m) d
        WHERE p.visible AND p.gender = 0 AND v.wants & 1 <> 0
          AND p.id <> v.id AND (p.wants = 0 OR p.wants & v.bit <> 0)
          AND p.birth > v.not_older AND p.birth <= v.not_younger AND v.age BETWEEN p.min_age AND p.max_age
          AND ST_DWithin(p.place, v.place, 1.0)
          AND d.m <= least(v.max_km, p.max_km, 100) * 1000
          AND NOT EXISTS (SELECT FROM shown s WHERE s.viewer = v.id AND s.candidate = p.id AND s.at > now() - interval '30 days')
          AND NOT EXISTS (SELECT FROM blocks b WHERE b.blocker = v.id AND b.blocked = p.id)
          AND NOT EXISTS (SELECT FROM blocks b WHERE b.blocker = p.id AND b.blocked = v.id)
        ORDER BY p.place <-> v.place LIMIT 1000
        )
        UNION ALL
        (
        SELECT p.*, d.m FROM people p, LATERAL (SELECT ST_DistanceSphere(p.place, v.place) AS m) d
        WHERE p.visible AND p.gender = 1 AND v.wants & 2 <> 0
          AND p.id <> v.id AND (p.wants = 0 OR p.wants & v.bit <> 0)
          AND p.birth > v.not_older AND p.birth <= v.not_younger AND v.age BETWEEN p.min_age AND p.max_age
          AND ST_DWithin(p.place, v.place, 1.0)
          AND d.m <= least(v.max_km, p.max_km, 100) * 1000
          AND NOT EXISTS (SELECT FROM shown s WHERE s.viewer = v.id AND s.candidate = p.id AND s.at > now() - interval '30 days')
          AND NOT EXISTS (SELECT FROM blocks b WHERE b.blocker = v.id AND b.blocked = p.id)
          AND NOT EXISTS (SELECT FROM blocks b WHERE b.blocker = p.id AND b.blocked = v.id)
        ORDER BY p.place <-> v.place LIMIT 1000
        )
    ) c
),
-- Both sides as weighted means of terms, without vectors, diversity, newcomers or chance.
sided AS MATERIALIZED (
    SELECT id, viewer, like_rate, impressions,
           (1.5 * mutual + 1.0 * liked_overlap + 0.8 * activity + 0.6 * richness + 0.4 * completeness) / 4.3 AS a,
           (1.5 * mutual + 1.0 * suits_overlap + 0.8 * v_activity + 0.6 * v_richness + 0.4 * v_completeness) / 4.3 AS b
    FROM recalled, LATERAL (
        SELECT (exp(-0.0347 * km) + exp(-0.1386 * years) + coalesce(exp(-0.0347 * cm), 0.5) + coalesce(1 - levels / 5.0, 0.5)) / 4 AS mutual,
               liked_both::float8 / greatest(cardinality(tags) + cardinality(v_liked) - liked_both, 1) AS liked_overlap,
               suits_both::float8 / greatest(cardinality(v_tags) + cardinality(liked) - suits_both, 1) AS suits_overlap
        FROM (SELECT icount(tags & v_liked) AS liked_both, icount(v_tags & liked) AS suits_both) both_tags
        OFFSET 0 -- so that no term is computed twice
    ) terms
),
page AS (
    SELECT viewer, id FROM sided
    ORDER BY 2 * a * b / greatest(a + b, 1e-9) * power(like_rate / 0.12, 0.4) * power(1 + impressions / 50, -0.2) DESC LIMIT 10
)
INSERT INTO shown SELECT viewer, id, now() FROM page ON CONFLICT (viewer, candidate) DO UPDATE SET at = excluded.at RETURNING candidate;
COMMIT;

-- Which tags somebody's own Moments carry. A deletion takes back what its publication gave.
SELECT user_id,
       tag,
       COUNT(*) AS version,
       SUM(CASE WHEN kind = 'moment_published' THEN power(2.0, (date_part('epoch', published_at) - 1767225600.0) / (30.0 * 86400.0)) ELSE 0.0 - power(2.0, (date_part('epoch', published_at) - 1767225600.0) / (30.0 * 86400.0)) END) AS published_d30
FROM (SELECT author_id AS user_id, kind, published_at, unnest(tags) AS tag FROM moments)
GROUP BY user_id, tag

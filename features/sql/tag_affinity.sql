-- Which tags somebody likes and passes over, in the people and Moments of others.
SELECT user_id,
       tag,
       COUNT(*) AS version,
       SUM(CASE WHEN kind = 'like' OR kind = 'comment' OR kind = 'follow' THEN power(2.0, (date_part('epoch', event_time) - 1767225600.0) / (28.0 * 86400.0)) ELSE 0.0 END) AS liked_d28,
       SUM(CASE WHEN kind = 'pass' THEN power(2.0, (date_part('epoch', event_time) - 1767225600.0) / (28.0 * 86400.0)) ELSE 0.0 END) AS passed_d28
FROM (SELECT actor_id AS user_id, kind, event_time, unnest(tags) AS tag FROM interactions)
GROUP BY user_id, tag

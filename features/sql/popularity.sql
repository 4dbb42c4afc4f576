-- How somebody is received by others.
SELECT target_id AS user_id,
       COUNT(*) AS version,
       COUNT(*) FILTER (WHERE kind = 'impression') AS impressions,
       COUNT(*) FILTER (WHERE kind = 'like' OR kind = 'follow') AS likes,
       COUNT(*) FILTER (WHERE kind = 'pass') AS passes,
       SUM(CASE WHEN kind = 'impression' THEN power(2.0, (date_part('epoch', event_time) - 1767225600.0) / (14.0 * 86400.0)) ELSE 0.0 END) AS impressions_d14,
       SUM(CASE WHEN kind = 'like' OR kind = 'follow' THEN power(2.0, (date_part('epoch', event_time) - 1767225600.0) / (14.0 * 86400.0)) ELSE 0.0 END) AS likes_d14,
       SUM(CASE WHEN kind = 'comment' THEN power(2.0, (date_part('epoch', event_time) - 1767225600.0) / (14.0 * 86400.0)) ELSE 0.0 END) AS comments_d14,
       SUM(CASE WHEN kind = 'reply' THEN power(2.0, (date_part('epoch', event_time) - 1767225600.0) / (14.0 * 86400.0)) ELSE 0.0 END) AS replies_d14,
       SUM(CASE WHEN kind = 'pass' THEN power(2.0, (date_part('epoch', event_time) - 1767225600.0) / (14.0 * 86400.0)) ELSE 0.0 END) AS passes_d14
FROM interactions
GROUP BY target_id

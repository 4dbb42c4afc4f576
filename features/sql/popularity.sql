-- How somebody is received by others.
-- answered_d60: likes that answer an impression. looked_d60: impressions by the chance that they were looked at, in groups of positions 0, 1-2 and
-- 3-6, 7-14, 15 and more: a like proves it and makes its impression count 1, the others count a part (features::portrait::unanswered).
SELECT target_id AS user_id,
       COUNT(*) AS version,
       SUM(CASE WHEN kind = 'impression' THEN 1 ELSE 0 END) AS impressions,
       SUM(CASE WHEN kind = 'like' OR kind = 'follow' THEN 1 ELSE 0 END) AS likes,
       SUM(CASE WHEN kind = 'pass' THEN 1 ELSE 0 END) AS passes,
       SUM(CASE WHEN kind = 'impression' THEN power(2.0, (date_part('epoch', event_time) - 1767225600.0) / (14.0 * 86400.0)) ELSE 0.0 END) AS impressions_d14,
       SUM(CASE WHEN kind = 'like' OR kind = 'follow' THEN power(2.0, (date_part('epoch', event_time) - 1767225600.0) / (14.0 * 86400.0)) ELSE 0.0 END) AS likes_d14,
       SUM(CASE WHEN kind = 'comment' THEN power(2.0, (date_part('epoch', event_time) - 1767225600.0) / (14.0 * 86400.0)) ELSE 0.0 END) AS comments_d14,
       SUM(CASE WHEN kind = 'reply' THEN power(2.0, (date_part('epoch', event_time) - 1767225600.0) / (14.0 * 86400.0)) ELSE 0.0 END) AS replies_d14,
       SUM(CASE WHEN kind = 'pass' THEN power(2.0, (date_part('epoch', event_time) - 1767225600.0) / (14.0 * 86400.0)) ELSE 0.0 END) AS passes_d14,
       SUM(CASE WHEN kind = 'like' AND position IS NOT NULL THEN power(2.0, (date_part('epoch', event_time) - 1767225600.0) / (60.0 * 86400.0)) ELSE 0.0 END) AS answered_d60,
       SUM(CASE WHEN position IS NULL THEN 0.0
                WHEN kind = 'impression' THEN CASE WHEN position < 1 THEN 1.0 WHEN position < 7 THEN 0.6857 WHEN position < 15 THEN 0.6601 ELSE 0.5751 END
                WHEN kind = 'like' THEN CASE WHEN position < 1 THEN 0.0 WHEN position < 7 THEN 0.3143 WHEN position < 15 THEN 0.3399 ELSE 0.4249 END
                ELSE 0.0 END * power(2.0, (date_part('epoch', event_time) - 1767225600.0) / (60.0 * 86400.0))) AS looked_d60,
       SUM(CASE WHEN kind = 'comment' THEN power(2.0, (date_part('epoch', event_time) - 1767225600.0) / (60.0 * 86400.0)) ELSE 0.0 END) AS comments_d60
FROM interactions
GROUP BY target_id

-- How often somebody is there.
SELECT user_id,
       COUNT(*) AS version,
       SUM(CASE WHEN kind = 'app_open' THEN 1 ELSE 0 END) AS sessions,
       SUM(CASE WHEN kind = 'app_open' THEN power(2.0, (date_part('epoch', event_time) - 1767225600.0) / (7.0 * 86400.0)) ELSE 0.0 END) AS sessions_d7,
       SUM(CASE WHEN kind = 'heartbeat' THEN power(2.0, (date_part('epoch', event_time) - 1767225600.0) / (7.0 * 86400.0)) ELSE 0.0 END) AS heartbeats_d7
FROM presence
GROUP BY user_id

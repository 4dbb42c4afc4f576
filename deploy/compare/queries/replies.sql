-- How long people wait for an answer to what they wrote, by day: seconds, at the median, the 90th and the 99th percentile.
WITH sent AS (
  SELECT conversation_id, dt, sender_id, date_part('epoch', event_time) AS sent_at,
         LAG(sender_id) OVER (PARTITION BY conversation_id ORDER BY event_time, event_id) AS previous_sender,
         LAG(date_part('epoch', event_time)) OVER (PARTITION BY conversation_id ORDER BY event_time, event_id) AS previous_at
  FROM messages
  WHERE kind = 'message_sent'
)
SELECT dt, COUNT(*) AS replies,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY sent_at - previous_at) AS p50_s,
       percentile_cont(0.9) WITHIN GROUP (ORDER BY sent_at - previous_at) AS p90_s,
       percentile_cont(0.99) WITHIN GROUP (ORDER BY sent_at - previous_at) AS p99_s
FROM sent
WHERE previous_sender <> sender_id
GROUP BY dt
ORDER BY dt

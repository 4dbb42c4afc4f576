-- How much somebody writes.
SELECT sender_id AS user_id,
       COUNT(*) AS version,
       SUM(CASE WHEN kind = 'message_sent' THEN 1 ELSE 0 END) AS sent,
       SUM(CASE WHEN kind = 'message_sent' THEN power(2.0, (date_part('epoch', event_time) - 1767225600.0) / (7.0 * 86400.0)) ELSE 0.0 END) AS sent_d7
FROM messages
GROUP BY sender_id

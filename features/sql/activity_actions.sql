-- How much somebody does: everything but being shown people.
SELECT actor_id AS user_id,
       COUNT(*) AS version,
       SUM(CASE WHEN kind <> 'impression' THEN 1 ELSE 0 END) AS actions,
       SUM(CASE WHEN kind <> 'impression' THEN power(2.0, (date_part('epoch', event_time) - 1767225600.0) / (7.0 * 86400.0)) ELSE 0.0 END) AS actions_d7
FROM interactions
GROUP BY actor_id

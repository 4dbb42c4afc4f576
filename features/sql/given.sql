-- How choosy somebody is: what they gave to those they were shown.
SELECT actor_id AS user_id,
       COUNT(*) AS version,
       COUNT(*) FILTER (WHERE kind = 'impression') AS seen,
       COUNT(*) FILTER (WHERE kind = 'like' OR kind = 'follow') AS likes_given,
       COUNT(*) FILTER (WHERE kind = 'pass') AS passes_given
FROM interactions
GROUP BY actor_id

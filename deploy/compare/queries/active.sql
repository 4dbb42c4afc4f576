-- Daily active people, and how many of them are back a day and a week later.
WITH days AS (SELECT DISTINCT dt, actor_id FROM interactions)
SELECT today.dt, COUNT(*) AS active, COUNT(next.actor_id) AS back_next_day, COUNT(week.actor_id) AS back_in_a_week
FROM days today
LEFT JOIN days next ON next.actor_id = today.actor_id AND next.dt = today.dt + INTERVAL '1' DAY
LEFT JOIN days week ON week.actor_id = today.actor_id AND week.dt = today.dt + INTERVAL '7' DAY
GROUP BY today.dt
ORDER BY today.dt

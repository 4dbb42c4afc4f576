-- From being shown to a like to a match, by the day of the first impression.
WITH firsts AS (
  SELECT actor_id, target_id,
         MIN(CASE WHEN kind = 'impression' THEN event_time END) AS shown,
         MIN(CASE WHEN kind = 'like' THEN event_time END) AS liked
  FROM interactions
  WHERE kind IN ('impression', 'like')
  GROUP BY actor_id, target_id
)
SELECT CAST(mine.shown AS DATE) AS day, COUNT(*) AS shown, COUNT(mine.liked) AS liked,
       SUM(CASE WHEN mine.liked IS NOT NULL AND theirs.liked IS NOT NULL THEN 1 ELSE 0 END) AS matched
FROM firsts mine
LEFT JOIN firsts theirs ON theirs.actor_id = mine.target_id AND theirs.target_id = mine.actor_id
WHERE mine.shown IS NOT NULL
GROUP BY CAST(mine.shown AS DATE)
ORDER BY day

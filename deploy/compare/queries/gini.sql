-- How unequally likes are spread over those who got any: the Gini coefficient, and the share of the first hundredth.
WITH received AS (SELECT target_id, COUNT(*) AS likes FROM interactions WHERE kind = 'like' GROUP BY target_id),
ranked AS (
  SELECT likes, ROW_NUMBER() OVER (ORDER BY likes, target_id) AS place, COUNT(*) OVER () AS people, SUM(likes) OVER () AS total
  FROM received
)
SELECT MAX(people) AS people, MAX(total) AS likes,
       2.0 * SUM(CAST(place * likes AS DOUBLE)) / (MAX(people) * MAX(total)) - (MAX(people) + 1.0) / MAX(people) AS gini,
       SUM(CASE WHEN place > 0.99 * people THEN likes ELSE 0 END) * 1.0 / MAX(total) AS share_of_the_first_hundredth
FROM ranked

-- What people of a city and gender like most in others: the five tags with the most likes.
WITH people AS (
  SELECT user_id, profile['city'] AS city, profile['gender'] AS gender
  FROM (SELECT user_id, profile, ROW_NUMBER() OVER (PARTITION BY user_id ORDER BY event_time DESC, event_id DESC) AS age FROM profiles) versions
  WHERE age = 1
),
liked AS (SELECT actor_id, unnest(tags) AS tag FROM interactions WHERE kind = 'like'),
counted AS (
  SELECT city, gender, tag, COUNT(*) AS likes
  FROM liked JOIN people ON people.user_id = liked.actor_id
  GROUP BY city, gender, tag
)
SELECT city, gender, tag, likes
FROM (SELECT city, gender, tag, likes, ROW_NUMBER() OVER (PARTITION BY city, gender ORDER BY likes DESC, tag) AS place FROM counted) ranked
WHERE place <= 5
ORDER BY city, gender, likes DESC, tag

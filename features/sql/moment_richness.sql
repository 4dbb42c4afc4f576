-- How rich somebody's Moments are. A deletion takes back what its publication gave.
SELECT author_id AS user_id,
       COUNT(*) AS version,
       SUM(CASE WHEN kind = 'moment_published' THEN 1 ELSE -1 END) AS moments,
       SUM(CASE WHEN kind = 'moment_published' THEN 1.0 ELSE -1.0 END * power(2.0, (date_part('epoch', published_at) - 1767225600.0) / (30.0 * 86400.0))) AS moments_d30,
       SUM(CASE WHEN kind = 'moment_published' THEN 1.0 ELSE -1.0 END * media_count * power(2.0, (date_part('epoch', published_at) - 1767225600.0) / (30.0 * 86400.0))) AS media_d30,
       SUM(CASE WHEN kind = 'moment_published' THEN 1.0 ELSE -1.0 END * text_chars * power(2.0, (date_part('epoch', published_at) - 1767225600.0) / (30.0 * 86400.0))) AS text_chars_d30,
       SUM(CASE WHEN kind = 'moment_published' THEN 1.0 ELSE -1.0 END * answer_chars * power(2.0, (date_part('epoch', published_at) - 1767225600.0) / (30.0 * 86400.0))) AS answer_chars_d30
FROM moments
GROUP BY author_id

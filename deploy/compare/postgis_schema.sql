CREATE EXTENSION postgis;
CREATE EXTENSION intarray;
CREATE UNLOGGED TABLE staging (
    id bigint, gender int, wants int, birth date, min_age int, max_age int, max_km int, lat float8, lon float8, height int, education int,
    activity float4, richness float4, completeness float4, like_rate float4, impressions float4, visible boolean, tags text, liked text
);

//! Filters and payloads in the JSON that both stores understand.

use features::profile::Gender;
use serde_json::{Value, json};

use super::{Payload, VectorFilter};

/// Payload fields with an index and its type.
pub(super) const USER_FIELDS: [(&str, Field); 4] =
    [("gender", Field::Keyword), ("birth_days", Field::Integer), ("position", Field::Geo), ("visible", Field::Bool)];
/// The same for Moments.
pub(super) const MOMENT_FIELDS: [(&str, Field); 2] = [("author", Field::Keyword), ("published_at", Field::Integer)];

/// Type of an indexed payload field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Keyword,
    Integer,
    Geo,
    Bool,
}

fn gender(gender: Gender) -> &'static str {
    match gender {
        Gender::Female => "female",
        Gender::Male => "male",
        Gender::Other => "other",
    }
}

/// The payload of a point.
pub(super) fn payload(payload: &Payload) -> Value {
    match payload {
        Payload::User(u) => {
            let mut fields = json!({"gender": gender(u.gender), "birth_days": u.birth_days, "visible": u.visible});
            if let Some(at) = u.position {
                fields["position"] = json!({"lat": at.lat, "lon": at.lon});
            }
            fields
        }
        Payload::Moment(m) => json!({"author": m.author.to_string(), "published_at": m.published_at.timestamp()}),
    }
}

/// The filter of a query.
pub(super) fn filter(f: &VectorFilter) -> Value {
    let mut must = Vec::new();
    if f.genders != 0 {
        let any: Vec<&str> = Gender::ALL.iter().filter(|g| f.genders & g.bit() != 0).map(|g| gender(*g)).collect();
        must.push(json!({"key": "gender", "match": {"any": any}}));
    }
    if let Some(days) = &f.birth_days {
        must.push(json!({"key": "birth_days", "range": {"gte": days.start(), "lte": days.end()}}));
    }
    if let Some((at, km)) = f.near {
        must.push(json!({"key": "position", "geo_radius": {"center": {"lat": at.lat, "lon": at.lon}, "radius": km * 1000.0}}));
    }
    if f.visible_only {
        must.push(json!({"key": "visible", "match": {"value": true}}));
    }
    if let Some(author) = f.author {
        must.push(json!({"key": "author", "match": {"value": author.to_string()}}));
    }
    json!({"must": must})
}

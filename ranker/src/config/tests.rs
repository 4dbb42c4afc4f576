#![allow(clippy::unwrap_used)]

use serde_json::json;

use super::*;

fn config(value: serde_json::Value) -> Result<RankerConfig, serde_json::Error> {
    serde_json::from_value(value)
}

#[test]
fn defaults_are_valid_and_survive_writing() {
    let defaults = RankerConfig::default();
    defaults.validate().unwrap();
    assert_eq!(config(serde_json::to_value(&defaults).unwrap()).unwrap(), defaults);
    assert_eq!(config(json!({})).unwrap(), defaults);
}

#[test]
fn unknown_keys_are_errors_everywhere() {
    for bad in
        [json!({"wieghts": {}}), json!({"weights": {"distanse": 1}}), json!({"sources": {"hot": {"limit": 1, "timeout_ms": 5, "x": 1}}})]
    {
        assert!(config(bad.clone()).is_err(), "{bad}");
    }
    let nested = config(json!({"regions": {"上海": {"weights": {"distanse": 1.0}}}})).unwrap();
    let error = nested.validate().unwrap_err();
    assert_eq!(error.field, "regions.上海");
    assert!(error.problem.contains("distanse"), "{error}");
}

#[test]
fn complaints_name_the_field() {
    let cases = [
        (json!({"draw": {"temperature": -1.0}}), "draw.temperature"),
        (json!({"deck": {"size": 0}}), "deck.size"),
        (json!({"deck": {"candidates_to_score": 5}}), "deck.candidates_to_score"),
        (json!({"curves": {"cosine_floor": 0.9, "cosine_ceiling": 0.5}}), "curves.cosine_ceiling"),
        (json!({"sources": {"hot": {"limit": 10, "timeout_ms": 0}}}), "sources.hot.timeout_ms"),
        (json!({"weights": {"age": 0, "activity": 0, "richness": 0, "completeness": 0}}), "weights"),
        (json!({"warm": {"liked": -0.1}}), "warm.liked"),
        (json!({"selector": {"source_caps": {"hot": 1.5}}}), "selector.source_caps.hot"),
        (json!({"regions": {"北京": {"weights": {"age": -2}}}}), "regions.北京.weights.age"),
        (json!({"regions": {"北京": {"regions": {}}}}), "regions.北京"),
        (json!({"regions": {"北京": {"experiments": {}}}}), "regions.北京"),
        (json!({"strategy": "For mula"}), "strategy"),
    ];
    for (value, field) in cases {
        let error = config(value).unwrap().validate().unwrap_err();
        assert_eq!(error.field, field, "{error}");
        assert!(error.to_string().starts_with("ranker."));
    }
}

#[test]
fn a_region_overrides_in_part_and_has_its_own_version() {
    let config = config(json!({"weights": {"age": 3.0}, "regions": {"上海": {"weights": {"distance": 9.0}}}})).unwrap();
    let regions = Regions::new(&config).unwrap();
    let (there, elsewhere) = (regions.get(Some("上海")), regions.get(Some("成都")));
    assert_eq!((there.config.weights.distance, there.config.weights.age), (9.0, 3.0));
    assert_eq!((elsewhere.config.weights.distance, elsewhere.config.weights.age), (Weights::default().distance, 3.0));
    assert_ne!(there.version, elsewhere.version);
    assert_eq!(regions.get(None).version, elsewhere.version);
    assert_eq!(Regions::new(&config).unwrap().get(None).version, elsewhere.version);
    assert_eq!(there.version.len(), 12);
}

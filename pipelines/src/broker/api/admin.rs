//! Settings of topics.

use std::collections::BTreeMap;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::alter_configs_response::AlterConfigsResourceResponse as Altered;
use kafka_protocol::messages::describe_configs_response::{DescribeConfigsResourceResult, DescribeConfigsResult};
use kafka_protocol::messages::incremental_alter_configs_response::AlterConfigsResourceResponse as IncrementallyAltered;
use kafka_protocol::messages::{
    AlterConfigsRequest, AlterConfigsResponse, DescribeConfigsRequest, DescribeConfigsResponse, IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
};

use super::{Call, code, text};
use crate::broker::config::{SETTINGS, possible, segment_bytes, setting};

const TOPIC: i8 = 2;
const FROM_TOPIC: i8 = 1;
const FROM_DEFAULT: i8 = 5;

/// Settings of topics; a broker has none to tell.
pub(super) fn describe_configs(call: &Call<'_>, request: DescribeConfigsRequest) -> DescribeConfigsResponse {
    let state = call.broker.state();
    let results = request.resources.iter().map(|resource| {
        let result =
            DescribeConfigsResult::default().with_resource_type(resource.resource_type).with_resource_name(resource.resource_name.clone());
        if resource.resource_type != TOPIC {
            return result;
        }
        let Some(topic) = state.meta.read().topics.get(resource.resource_name.as_str()) else {
            return result.with_error_code(ResponseError::UnknownTopicOrPartition.code());
        };
        let asked = |name: &str| resource.configuration_keys.as_ref().is_none_or(|keys| keys.iter().any(|k| k.as_str() == name));
        let extra = topic.configs.keys().map(String::as_str).filter(|n| SETTINGS.iter().all(|(s, _)| s != n));
        let names = SETTINGS.iter().map(|(name, _)| *name).chain(extra).filter(|name| asked(name));
        let told = |name: &str| match setting(&topic.configs, name) {
            "" => segment_bytes(&topic.configs, call.broker.config.segment_bytes).to_string(),
            value => value.to_owned(),
        };
        let entry = |name: &str| {
            let source = if topic.configs.contains_key(name) { FROM_TOPIC } else { FROM_DEFAULT };
            DescribeConfigsResourceResult::default().with_name(text(name)).with_value(Some(text(&told(name)))).with_config_source(source)
        };
        result.with_configs(names.map(entry).collect())
    });
    let results = results.collect();
    DescribeConfigsResponse::default().with_results(results)
}

/// Sets a topic's settings, all of them (`replace`) or some.
fn alter(
    call: &Call<'_>,
    kind: i8,
    name: &str,
    changes: &BTreeMap<String, Option<String>>,
    replace: bool,
    try_only: bool,
) -> Result<(), ResponseError> {
    if kind != TOPIC {
        return Err(ResponseError::InvalidRequest);
    }
    let mut state = call.broker.state();
    let topic = state.meta.read().topics.get(name).cloned().ok_or(ResponseError::UnknownTopicOrPartition)?;
    let mut configs = if replace { BTreeMap::new() } else { topic.configs };
    for (name, value) in changes {
        match value {
            Some(value) if !possible(name, value) => return Err(ResponseError::InvalidConfig),
            Some(value) => configs.insert(name.clone(), value.clone()),
            None => configs.remove(name),
        };
    }
    if try_only {
        return Ok(());
    }
    call.broker.configure_topic(&mut state, name, configs)
}

/// Replaces settings.
pub(super) fn alter_configs(call: &Call<'_>, request: AlterConfigsRequest) -> AlterConfigsResponse {
    let results = request.resources.iter().map(|r| {
        let changes = r.configs.iter().map(|c| (c.name.to_string(), c.value.as_ref().map(ToString::to_string))).collect();
        let done = alter(call, r.resource_type, r.resource_name.as_str(), &changes, true, request.validate_only);
        Altered::default().with_resource_type(r.resource_type).with_resource_name(r.resource_name.clone()).with_error_code(code(&done))
    });
    AlterConfigsResponse::default().with_responses(results.collect())
}

/// Sets (0) or deletes (1) single settings.
pub(super) fn incremental_alter_configs(call: &Call<'_>, request: IncrementalAlterConfigsRequest) -> IncrementalAlterConfigsResponse {
    let results = request.resources.iter().map(|r| {
        let known = r.configs.iter().all(|c| matches!(c.config_operation, 0 | 1));
        let value = |c: &kafka_protocol::messages::incremental_alter_configs_request::AlterableConfig| {
            if c.config_operation == 0 { c.value.as_ref().map(ToString::to_string) } else { None }
        };
        let changes = r.configs.iter().map(|c| (c.name.to_string(), value(c))).collect();
        let done = if known {
            alter(call, r.resource_type, r.resource_name.as_str(), &changes, false, request.validate_only)
        } else {
            Err(ResponseError::InvalidRequest)
        };
        IncrementallyAltered::default()
            .with_resource_type(r.resource_type)
            .with_resource_name(r.resource_name.clone())
            .with_error_code(code(&done))
    });
    IncrementalAlterConfigsResponse::default().with_responses(results.collect())
}

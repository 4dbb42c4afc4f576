//! Stores that speak S3: AWS, MinIO, Ceph, R2, COS.

use std::sync::{Arc, PoisonError, RwLock};

use object_store::ObjectStore;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::client::ClientConfigKey;
use object_store::{BackoffConfig, RetryConfig};
use serde::{Deserialize, Serialize};

/// The `[s3]` section of the configuration. What is left empty comes from the usual variables of the environment: `AWS_ENDPOINT`, `AWS_REGION`,
/// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_ALLOW_HTTP`, or from the role of the machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct S3Config {
    /// Where the store answers, such as `https://minio.internal:9000`; empty for AWS.
    pub endpoint: String,
    /// The region; empty for us-east-1.
    pub region: String,
    /// The key's id.
    pub access_key_id: String,
    /// The key.
    pub secret_access_key: String,
    /// Whether the store may be spoken to without TLS.
    pub allow_http: bool,
}

static USED: RwLock<Option<S3Config>> = RwLock::new(None);

/// From here on stores of this process are opened with these settings, as if the environment said so.
pub fn use_s3(config: &S3Config) {
    *USED.write().unwrap_or_else(PoisonError::into_inner) = Some(config.clone());
}

const SECONDS_TO_CONNECT: &str = "5 seconds";
const SECONDS_OF_TRIES: std::time::Duration = std::time::Duration::from_secs(20);

/// Opens a bucket.
///
/// # Errors
/// What is wrong with the settings. Whether the bucket is there is found when it is used.
pub(super) fn open(bucket: &str) -> Result<Arc<dyn ObjectStore>, String> {
    let config = USED.read().unwrap_or_else(PoisonError::into_inner).clone().unwrap_or_default();
    let mut builder = AmazonS3Builder::from_env()
        .with_bucket_name(bucket)
        .with_config(AmazonS3ConfigKey::Client(ClientConfigKey::ConnectTimeout), SECONDS_TO_CONNECT)
        .with_retry(RetryConfig { backoff: BackoffConfig::default(), max_retries: 4, retry_timeout: SECONDS_OF_TRIES });
    for (key, value) in [
        (AmazonS3ConfigKey::Endpoint, config.endpoint.trim_end_matches('/')),
        (AmazonS3ConfigKey::Region, config.region.as_str()),
        (AmazonS3ConfigKey::AccessKeyId, config.access_key_id.as_str()),
        (AmazonS3ConfigKey::SecretAccessKey, config.secret_access_key.as_str()),
    ] {
        if !value.is_empty() {
            builder = builder.with_config(key, value);
        }
    }
    if config.allow_http {
        builder = builder.with_allow_http(true);
    }
    let endpoint = builder.get_config_value(&AmazonS3ConfigKey::Endpoint).unwrap_or_default();
    let plain = builder.get_config_value(&AmazonS3ConfigKey::Client(ClientConfigKey::AllowHttp)).is_some_and(|allowed| allowed == "true");
    if endpoint.starts_with("http://") && !plain {
        return Err(format!(
            "the endpoint {endpoint} is without TLS; set s3.allow_http = true (or AWS_ALLOW_HTTP=true) where that is wanted"
        ));
    }
    if !endpoint.is_empty() && !endpoint.contains("://") {
        return Err(format!("the endpoint `{endpoint}` must begin with https:// or http://"));
    }
    Ok(Arc::new(builder.build().map_err(|e| e.to_string())?))
}

/// What to do about an error of a store; empty where nothing better is known than what it says itself.
pub fn remedy(error: &object_store::Error) -> &'static str {
    let text = format!("{error:?}");
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if says(&["NoSuchBucket"]) {
        "; there is no such bucket: make it, or correct `lake.place` or `state.place`"
    } else if says(&["169.254.169.254"]) {
        "; there is no key for the store: set s3.access_key_id and s3.secret_access_key, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    } else if matches!(error, object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. })
        || says(&["InvalidAccessKeyId", "SignatureDoesNotMatch", "AccessDenied"])
    {
        "; the key is wrong or may not do that: look at s3.access_key_id (AWS_ACCESS_KEY_ID) and at the rights on the bucket; reading, writing, listing and deleting are needed"
    } else if says(&["kind: Connect", "ConnectError", "dns error", "Connection refused"]) {
        "; nothing answers there: look at s3.endpoint (AWS_ENDPOINT)"
    } else {
        ""
    }
}

//! The API through real HTTP on a whole hongniang.

mod access;
mod bad_input;
mod contract;
mod features;
mod fresh;
mod friends;
mod journeys;
mod logins;
mod moderation;
mod oidc;
mod outage;
mod places;
mod profiles;
mod random;
mod relations;
mod reviews;
mod rights;
mod rights_kafka;
mod visibility;

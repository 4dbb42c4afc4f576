//! The API through real HTTP on a whole hongniang.

mod bad_input;
mod journeys;
mod outage;
mod random;

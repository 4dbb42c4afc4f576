//! How an evaluation is told: one form of rows, as a table, as Parquet and as an HTML page with pictures.
//!
//! The page is one file without scripts and without anything from elsewhere, so that it can be mailed and kept. It carries no time and no
//! place: equal rows give equal pages.

mod axis;
mod curves;
mod dots;
mod html;
mod parquet;
mod plot;
mod svg;
mod words;

pub(crate) use self::axis::told;
pub use self::html::write_html;
pub use self::parquet::write_parquet;
pub use self::plot::{Curves, Dot, Dots, Plot, Point, Series};
pub use self::svg::write_svg;

/// Rows of a reliability table have metrics that begin with this; they are told apart from the measures.
pub const RELIABILITY: &str = "reliability_";

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
